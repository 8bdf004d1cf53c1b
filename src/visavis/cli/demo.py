"""``visavis demo``: a whole conversation on this machine that ends by itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from visavis.caller.conversation import Line

EXIT_FAILED = 1

_LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
_CLIP = "sense_and_sensibility_01_austen_64kb-{}.wav"
"""A person reading Jane Austen (LibriVox, public domain; Debian's pocketsphinx-testdata)."""

_SCRIPT: tuple[tuple[str, str | None], ...] = (
    ("Hello Ava! Who are you?", None),
    (
        "Had he married a more amiable woman, he might have been made still more respectable "
        "than he was.",
        _CLIP.format("0920"),
    ),
    ("Where do you run?", None),
    (
        "Unless to be rather cold-hearted and rather selfish is to be ill-disposed.",
        _CLIP.format("0890"),
    ),
    ("Tell me a short joke.", None),
    ("It was nice to talk with you. Goodbye!", None),
)

_Out = Annotated[Path, typer.Option(help="Where demo.mp4, demo.vtt and report.json go.")]


def demo(out: _Out = Path("out/demo")) -> None:
    """Start a server, talk with Ava for a minute, and keep what was seen and heard."""
    from rich.console import Console

    from visavis.cli import models
    from visavis.cli.own_server import ServerFailed, own_server
    from visavis.cli.talk import hold_call

    console = Console()
    console.rule("[bold]visavis demo[/bold]")
    models.pull(None)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with own_server(console, out / "server.log", data_dir=out / "data") as url:
            report = hold_call(console, url, "demo", _lines(console), out, name="demo")
    except ServerFailed as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(EXIT_FAILED) from None
    console.print(f"Watch it:      [bold]{out}/demo.mp4[/bold]  (demo.vtt, report.json beside it)")
    console.print(
        "Talk yourself: [bold]make serve[/bold], then [bold]http://127.0.0.1:7860/meet/demo[/bold]"
    )
    if not report.answered or report.errors:
        console.print("[red]Not every turn was answered; the server's log is in server.log.[/red]")
        raise typer.Exit(EXIT_FAILED)


def _lines(console: "Console") -> "list[Line]":
    """The script, in a person's voice where a recording of it is here."""
    from visavis.caller.conversation import Line
    from visavis.caller.speech import SpeechError, recording
    from visavis.caller.voices import speak

    if not _LIBRIVOX.is_dir():
        console.print("[dim]No recorded speech here (Debian: pocketsphinx-testdata).[/dim]")
    lines: list[Line] = []
    try:
        with console.status("Preparing what to say"):
            for text, clip in _SCRIPT:
                path = _LIBRIVOX / clip if clip else None
                if path is not None and path.is_file():
                    lines.append(Line(recording(path, text=text)))
                elif path is None:
                    lines.append(Line(speak(text)))
    except SpeechError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(EXIT_FAILED) from None
    return lines
