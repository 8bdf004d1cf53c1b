"""``visavis agents``: agents of a running server, and agents as files."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from visavis.cli.connected import Server, connected, fail

if TYPE_CHECKING:
    from visavis.agents.document import AgentDocument
    from visavis.cli.agent_files import Applied

app = typer.Typer(help="List, change, export and import agents.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(help="The agent's id, or demo.")]
_Out = Annotated[Path | None, typer.Option("--out", "-o", help="A file; default: the terminal.")]
_Vendor = Literal["iwy", "tavus", "anam", "d-id"]


@app.command(name="list")
def list_agents(server: Server = None) -> None:
    """Permanent agents, newest first."""
    with connected(server) as client:
        for agent in client.agents.iterate():
            typer.echo(f"{agent.id}  {agent.publish_status:7}  v{agent.version:<4} {agent.name}")


@app.command()
def get(agent_id: _Id, server: Server = None) -> None:
    """An agent, whole, as JSON."""
    with connected(server) as client:
        typer.echo(client.agents.get(agent_id).model_dump_json(indent=2))


@app.command()
def export(
    agent_ids: Annotated[list[str], typer.Argument(help="Agents' ids.")],
    out: _Out = None,
    server: Server = None,
) -> None:
    """Agents as a YAML file: what differs from the defaults."""
    from visavis.agents.document import write
    from visavis.cli.agent_files import export as document_of

    with connected(server) as client:
        _put(write([document_of(client, agent_id) for agent_id in agent_ids]), out)


@app.command()
def apply(
    files: Annotated[list[Path], typer.Argument(help="YAML files; - reads standard input.")],
    dry_run: Annotated[bool, typer.Option(help="Only say what would change.")] = False,
    server: Server = None,
) -> None:
    """Create agents, or make them what the files say: found by id, else by name."""
    from visavis.cli.agent_files import ApplyError
    from visavis.cli.agent_files import apply as apply_document

    documents = [document for file in files for document in _documents(file)]
    with connected(server) as client:
        for document in documents:
            try:
                _show(apply_document(client, document, dry_run=dry_run), dry_run)
            except ApplyError as error:
                fail(str(error))


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="The vendor's JSON; - reads standard input.")],
    vendor: Annotated[_Vendor, typer.Option("--from", help="Whose agent it is.")],
    out: _Out = None,
) -> None:
    """Turn another vendor's agent into a file for ``apply``; needs no server."""
    import json

    from pydantic import ValidationError

    from visavis.agents.document import write
    from visavis.agents.importers import import_agent
    from visavis.api.agents import AgentImport

    try:
        body = AgentImport.model_validate({"from": vendor, "document": json.loads(_read(file))})
    except (ValueError, RecursionError) as error:
        told = "this is not one agent" if isinstance(error, ValidationError) else error
        fail(f"{file}: {told}")
    imported = import_agent(vendor, body.document)
    _put(write([imported.document]), out)
    for lost in imported.lost:
        typer.echo(f"not carried over: {lost.field}: {lost.reason}", err=True)


@app.command()
def delete(agent_id: _Id, server: Server = None) -> None:
    """Delete an agent and its versions; its sessions stay."""
    with connected(server) as client:
        client.agents.delete(agent_id)
        typer.echo(f"deleted {agent_id}")


@app.command()
def versions(agent_id: _Id, server: Server = None) -> None:
    """An agent's versions, newest first."""
    with connected(server) as client:
        for version in client.agents.iterate_versions(agent_id):
            typer.echo(f"v{version.version:<4} {version.created_at}  {version.note}")


@app.command()
def rollback(
    agent_id: _Id,
    version: Annotated[int, typer.Argument(min=1, help="The version to go back to.")],
    server: Server = None,
) -> None:
    """Make an agent what it was, as a new version."""
    with connected(server) as client:
        agent = client.agents.rollback(agent_id, version)
        typer.echo(f"{agent.name} is as in version {version}; this is version {agent.version}")


def _documents(file: Path) -> "list[AgentDocument]":
    from visavis.agents.document import DocumentError, read

    try:
        return read(_read(file))
    except DocumentError as error:
        fail(f"{file}: {error}")


def _read(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        fail(f"{file}: {error}")


def _put(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{out}: {error}")


def _show(applied: "Applied", dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    typer.echo(
        f"{applied.name}: {would}{applied.outcome}"
        + (f" ({applied.agent_id}, version {applied.version})" if applied.agent_id else "")
    )
    for path, old, new in applied.changes:
        typer.echo(f"  {path}: {_short(old)} -> {_short(new)}")


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
