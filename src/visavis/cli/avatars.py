"""``visavis avatars``: faces from photos, on a running server or as files."""

from pathlib import Path
from typing import Annotated

import typer

from visavis.api.avatars import STATEMENTS, Subject
from visavis.cli.connected import Server, connected, fail

app = typer.Typer(help="Make faces from photos; list, export, delete them.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(help="The avatar's id.")]


@app.command()
def create(
    photo: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="JPEG, PNG or WebP of one face.")
    ],
    name: Annotated[str | None, typer.Option(help="Default: the file's name.")] = None,
    consent: Annotated[
        Subject | None, typer.Option(help="Whose face it is; asked for where left out.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write an .avatar file here; needs no server."),
    ] = None,
    server: Server = None,
) -> None:
    """Make a face from one photo; an agent has it as video.character_id."""
    subject = consent or _asked()
    named = (name or photo.stem)[:80]
    if out is not None:
        _create_file(photo, named, subject, out)
        return
    with connected(server) as client:
        typer.echo("Making the face, a few seconds …", err=True)
        made = client.avatars.create(photo.read_bytes(), name=named, consent=subject)
        for warning in made.warnings:
            typer.echo(f"Could be better: {warning.message} {warning.advice}", err=True)
        typer.echo(made.id)


@app.command(name="list")
def list_avatars(server: Server = None) -> None:
    """Faces made on the server, newest first."""
    with connected(server) as client:
        for avatar in client.avatars.iterate():
            typer.echo(f"{avatar.id}  {avatar.consent.subject:9}  {avatar.name}")


@app.command()
def clip(
    avatar_id: _Id,
    out: Annotated[Path, typer.Option("--out", "-o", help="A .webm file.")],
    server: Server = None,
) -> None:
    """The face saying a sentence, as a film."""
    with connected(server) as client:
        out.write_bytes(client.avatars.clip(avatar_id))


@app.command()
def delete(
    avatar_id: _Id,
    force: Annotated[bool, typer.Option(help="Although agents have this face.")] = False,
    server: Server = None,
) -> None:
    """Remove a face and everything made from it."""
    with connected(server) as client:
        client.avatars.delete(avatar_id, force=force)


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="An .avatar file, or a built-in character.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A .glb file.")],
) -> None:
    """A face as GLB, with the 52 ARKit shapes, for 3D programs."""
    from visavis.avatar import glb, rig

    try:
        path = Path(source) if source.endswith(".avatar") else rig.find(source)
        out.write_bytes(glb.export(rig.load(path)))
    except KeyError:
        fail(f"There is no character {source!r}.")
    except (OSError, rig.RigError) as error:
        fail(f"{source}: {error}")


def _asked() -> Subject:
    typer.echo("Whose face is it?", err=True)
    subjects = list(STATEMENTS)
    for number, subject in enumerate(subjects, 1):
        typer.echo(f"  {number}  {STATEMENTS[subject]}", err=True)
    while (chosen := typer.prompt("1, 2 or 3", err=True).strip()) not in ("1", "2", "3"):
        typer.echo("A number, please.", err=True)
    return subjects[int(chosen) - 1]


def _create_file(photo: Path, name: str, subject: Subject, out: Path) -> None:
    """The face on this machine alone."""
    from datetime import UTC, datetime

    from visavis.avatar import rig
    from visavis.avatar.photo import PhotoRefused, make_rig
    from visavis.models.download import PullError

    attested_at = datetime.now(UTC).isoformat(timespec="seconds")
    consent = rig.Consent(
        subject=subject, statement=STATEMENTS[subject], attested_by="cli", attested_at=attested_at
    )
    try:
        made = make_rig(
            photo.read_bytes(),
            name=name,
            rig_id="photo",
            consent=consent,
            progress=lambda step: typer.echo(f"{step} …", err=True),
            remark=lambda reason: typer.echo(f"Could be better: {reason}", err=True),
        )
    except PhotoRefused as refused:
        fail("\n".join(str(reason) for reason in refused.reasons))
    except PullError as error:
        fail(str(error))
    rig.save(made, out)
    typer.echo(str(out))
