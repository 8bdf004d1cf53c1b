"""API keys over REST."""

import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.fields import Id
from visavis.api.keys import KeyCreate, KeyCreated, KeyPatch, KeyView, Me
from visavis.api.page import Page
from visavis.server.errors import Problem
from visavis.server.gate.access import Caller, KeysRead, KeysWrite, identify
from visavis.server.paging import Cursor, Limit, decode_cursor, encode_cursor, iso, page
from visavis.server.services import Provided, Services
from visavis.storage import audit
from visavis.storage import keys as store
from visavis.storage.tables import ApiKeyRow

router = APIRouter(prefix="/v1", tags=["keys"])

MAX_LIFE_MS = 100 * 365 * 86_400_000

KeyId = Annotated[Id, Path(description="The id of an API key.")]


@router.get("/me")
async def me(request: Request, services: Provided) -> Me:
    """Who is calling, and what they may do."""
    caller = await identify(request, services)
    if caller.kind != "key":
        return Me(kind="home", scopes=["*"], key=None)
    async with services.database.read() as session:
        view = _view(await _row(session, caller.actor.removeprefix("key:")))
    return Me(kind="key", scopes=view.scopes, key=view)


@router.post("/key", status_code=201)
async def create(body: KeyCreate, caller: KeysWrite, services: Provided) -> KeyCreated:
    """Make a key. It is answered this once; what is kept is its SHA-256."""
    _check_grant(caller, body.scopes)
    expires_ms = int(body.expires_at.timestamp() * 1000) if body.expires_at else None
    if expires_ms is not None:
        _check_expiry(expires_ms)
    async with services.database.write() as session:
        row, key = store.create(session, body.name, body.scopes, expires_ms)
        detail = {"scopes": row.scopes}
        await audit.record(session, caller.actor, "key.created", row.id, detail)
    return KeyCreated(**_view(row).model_dump(), key=key)


@router.get("/key")
async def listing(
    _caller: KeysRead, services: Provided, limit: Limit = 20, cursor: Cursor = None
) -> Page[KeyView]:
    """All keys, newest first, revoked ones too; never the keys themselves."""
    before = decode_cursor(cursor) if cursor is not None else None
    async with services.database.read() as session:
        rows = await store.listing(session, limit + 1, before)
    cursors = [encode_cursor(row.created_at, row.id) for row in rows]
    return page([_view(row) for row in rows], limit, cursors)


@router.get("/key/{key_id}")
async def show(key_id: KeyId, _caller: KeysRead, services: Provided) -> KeyView:
    """One key: its first characters, scopes and last use."""
    async with services.database.read() as session:
        return _view(await _row(session, key_id))


@router.patch("/key/{key_id}")
async def rename(key_id: KeyId, body: KeyPatch, caller: KeysWrite, services: Provided) -> KeyView:
    """Give a key another name. Its scopes are for ever: make a new key for others."""
    async with services.database.write() as session:
        row = await _row(session, key_id)
        _check_grant(caller, row.scopes)
        row.name = body.name
        await audit.record(session, caller.actor, "key.renamed", row.id)
    return _view(row)


@router.post("/key/{key_id}/revoke")
async def revoke(key_id: KeyId, caller: KeysWrite, services: Provided) -> KeyView:
    """End a key, at once and for good. No harm if it was revoked before."""
    return await _revoke(key_id, caller, services)


@router.delete("/key/{key_id}", status_code=204)
async def delete(key_id: KeyId, caller: KeysWrite, services: Provided) -> Response:
    """The same as revoking: the key stays in the list, so that the audit can be read."""
    await _revoke(key_id, caller, services)
    return Response(status_code=204)


async def _revoke(key_id: str, caller: Caller, services: Services) -> KeyView:
    async with services.database.write() as session:
        row = await _row(session, key_id)
        _check_grant(caller, row.scopes)
        if row.revoked_at is None:
            row.revoked_at = time.time_ns() // 1_000_000
            await audit.record(session, caller.actor, "key.revoked", row.id)
    services.keys.forget(row.id)
    return _view(row)


async def _row(session: AsyncSession, key_id: str) -> ApiKeyRow:
    row = await store.find(session, key_id)
    if row is None:
        raise Problem("key_not_found")
    return row


def _check_expiry(expires_ms: int) -> None:
    if not 0 < expires_ms - time.time_ns() // 1_000_000 < MAX_LIFE_MS:
        problem = Problem("invalid_request", "That is past, or more than 100 years away.")
        problem.members["field"] = "expires_at"
        raise problem


def _check_grant(caller: Caller, scopes: Sequence[object]) -> None:
    """A key has power over keys that can do no more than itself."""
    missing = sorted({str(scope) for scope in scopes} - caller.scopes)
    if missing and not caller.may("*"):
        problem = Problem("scope_missing", f"Your key does not have {missing[0]!r} itself.")
        problem.members["scope"] = missing[0]
        problem.actor = caller.actor
        raise problem


def _view(row: ApiKeyRow) -> KeyView:
    return KeyView(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scopes=row.scopes,
        created_at=iso(row.created_at),
        expires_at=_iso(row.expires_at),
        last_used_at=_iso(row.last_used_at),
        revoked_at=_iso(row.revoked_at),
    )


def _iso(unix_ms: int | None) -> str | None:
    return None if unix_ms is None else iso(unix_ms)
