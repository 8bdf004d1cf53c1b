"""``visavis keys``: API keys of a running server, and the first key of one that wants keys."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, cast, get_args

import typer

from visavis.agents.scopes import Scope
from visavis.cli.connected import Server, connected, fail

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="What the key is for.")]
_Scopes = Annotated[
    list[str],
    typer.Option("--scope", help=f"May be given often: {', '.join(get_args(Scope))}."),
]
_Days = Annotated[
    int | None,
    typer.Option("--days", min=1, max=36_000, help="Days until it expires; default: never."),
]
_Local = Annotated[
    bool,
    typer.Option("--local", help="Write it into this machine's database, past the server."),
]


@app.command()
def create(
    name: _Name,
    scope: _Scopes,
    days: _Days = None,
    local: _Local = False,
    server: Server = None,
) -> None:
    """Make a key and show it, this once, on standard output."""
    unknown = [given for given in scope if given not in get_args(Scope)]
    if unknown:
        fail(f"There is no scope {unknown[0]!r}. There is: {', '.join(get_args(Scope))}.")
    if not name.strip() or len(name) > 200:
        fail("The name may have 1 to 200 characters.")
    scopes = cast("list[Scope]", scope)
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    if local:
        key, key_id = asyncio.run(_create_local(name, scopes, expires_at))
    else:
        with connected(server) as client:
            made = client.keys.create(name, scopes, expires_at=expires_at)
        key, key_id = made.key, made.id
    typer.echo(f"Key {key_id}, shown this once:", err=True)
    typer.echo(key)


@app.command(name="list")
def list_keys(server: Server = None) -> None:
    """All keys, newest first: id, first characters, state, scopes, name."""
    with connected(server) as client:
        for key in client.keys.iterate():
            state = "revoked" if key.revoked_at else "valid"
            if key.expires_at and datetime.fromisoformat(key.expires_at) <= datetime.now(UTC):
                state = "expired"
            typer.echo(f"{key.id}  {key.prefix}  {state:7}  {','.join(key.scopes)}  {key.name}")


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as listed.")],
    server: Server = None,
) -> None:
    """End a key, at once and for good."""
    with connected(server) as client:
        typer.echo(f"revoked {client.keys.revoke(key_id).name}")


async def _create_local(
    name: str, scopes: list[Scope], expires_at: datetime | None
) -> tuple[str, str]:
    """A key written straight into the database, for a server that lets nobody in without one."""
    from visavis.settings import settings
    from visavis.storage import audit, keys
    from visavis.storage.database import Database, sqlite_url

    config = settings()
    config.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(config.database_url or sqlite_url(config.data_dir / "visavis.db"))
    expires_ms = None if expires_at is None else int(expires_at.timestamp() * 1000)
    try:
        await database.migrate()
        async with database.write() as session:
            row, key = keys.create(session, name, scopes, expires_ms)
            detail = {"scopes": row.scopes}
            await audit.record(session, "command-line", "key.created", row.id, detail)
        return key, row.id
    finally:
        await database.close()
