"""Answers to POSTs with an Idempotency-Key: claimed before the work, written after it."""

import time
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.storage.database import Database
from visavis.storage.tables import IdempotencyRow

STALE_MS = 60_000
"""A request at work for this long was cut off with its server: its key may be claimed again."""


async def claim(
    database: Database, caller: str, key: str, fingerprint: str
) -> tuple[int, IdempotencyRow | None]:
    """Claim ``key``; of any number of simultaneous claims one wins.

    Answers the winner's claim number and None; to the others 0 and the row that is there.
    """
    now = time.time_ns() // 1_000_000
    row = IdempotencyRow(caller=caller, key=key, fingerprint=fingerprint, created_at=now)
    try:
        async with database.write() as session:
            found = await session.get(IdempotencyRow, (caller, key))
            if found is None:
                session.add(row)
                await session.flush()
                return now, None
            if found.status is not None or found.created_at > now - STALE_MS:
                return 0, found
            return await _take_over(session, found, fingerprint, now)
    except IntegrityError:  # someone else's claim was committed meanwhile
        async with database.read() as session:
            return 0, await session.get(IdempotencyRow, (caller, key)) or row


async def _take_over(
    session: AsyncSession, found: IdempotencyRow, fingerprint: str, now: int
) -> tuple[int, IdempotencyRow | None]:
    taken = await session.execute(
        update(IdempotencyRow)
        .where(*_claimed(found.caller, found.key, found.created_at))
        .values(fingerprint=fingerprint, created_at=now)
        .returning(IdempotencyRow.key)
        .execution_options(synchronize_session=False)
    )
    return (0, found) if taken.scalar_one_or_none() is None else (now, None)


async def finish(
    session: AsyncSession,
    caller: str,
    key: str,
    number: int,
    status: int,
    headers: dict[str, Any],
    body: str,
) -> None:
    """Write the answer, unless the claim was lost meanwhile."""
    await session.execute(
        update(IdempotencyRow)
        .where(*_claimed(caller, key, number))
        .values(status=status, headers=headers, body=body)
        .execution_options(synchronize_session=False)
    )


async def release(session: AsyncSession, caller: str, key: str, number: int) -> None:
    """Give a claim back: nothing was made, the request may be tried again."""
    await session.execute(delete(IdempotencyRow).where(*_claimed(caller, key, number)))


async def sweep(session: AsyncSession, before_ms: int) -> None:
    """Forget what was claimed before ``before_ms`` (Unix ms)."""
    await session.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at < before_ms))


def _claimed(caller: str, key: str, number: int) -> tuple[Any, ...]:
    """The row while it is under this very claim; its time is the claim's number."""
    return (
        IdempotencyRow.caller == caller,
        IdempotencyRow.key == key,
        IdempotencyRow.status.is_(None),
        IdempotencyRow.created_at == number,
    )
