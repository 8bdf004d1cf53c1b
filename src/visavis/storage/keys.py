"""API keys: made here, kept as their SHA-256. A key is 256 random bits, so no salt is needed."""

import hashlib
import secrets
import time
import uuid
from collections.abc import Sequence

from sqlalchemy import select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.storage.tables import ApiKeyRow

KEY_START = "vv_"


def digest(key: str) -> str:
    """What is stored of a key and looked up by: timing tells nothing about a hash."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def create(
    session: AsyncSession, name: str, scopes: Sequence[str], expires_at: int | None
) -> tuple[ApiKeyRow, str]:
    """Add a key; answers its row and the key itself, which is never seen again."""
    key_id = str(uuid.uuid4())
    prefix = KEY_START + key_id[:8]
    key = f"{prefix}_{secrets.token_urlsafe(32)}"
    row = ApiKeyRow(
        id=key_id,
        name=name,
        prefix=prefix,
        sha256=digest(key),
        scopes=sorted(set(scopes)),
        created_at=time.time_ns() // 1_000_000,
        expires_at=expires_at,
    )
    session.add(row)
    return row, key


async def by_digest(session: AsyncSession, sha256: str) -> ApiKeyRow | None:
    return await session.scalar(select(ApiKeyRow).where(ApiKeyRow.sha256 == sha256))


async def find(session: AsyncSession, key_id: str) -> ApiKeyRow | None:
    return await session.get(ApiKeyRow, key_id)


async def listing(
    session: AsyncSession, limit: int, before: tuple[int, str] | None = None
) -> Sequence[ApiKeyRow]:
    """Rows newest first, from behind the one with this creation time and id."""
    query = select(ApiKeyRow).order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id.desc())
    if before is not None:
        query = query.where(tuple_(ApiKeyRow.created_at, ApiKeyRow.id) < tuple_(*before))
    return (await session.scalars(query.limit(limit))).all()


async def touch(session: AsyncSession, key_id: str, used_ms: int) -> None:
    """Note when a key was used last (Unix ms)."""
    statement = update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(last_used_at=used_ms)
    await session.execute(statement)
