"""The audit: who did, or tried, what. Ids only, never what was said."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.storage.tables import AuditRow


async def record(
    session: AsyncSession,
    actor: str,
    action: str,
    subject: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Add a row within the caller's transaction, so that it is true exactly when that commits.

    ``actor``: ``Caller.actor`` or ``"server"``; ``action``: ``session.deleted``, …; ``subject``:
    the id of what it was done to. ``detail`` holds ids and counts only.
    """
    session.add(
        AuditRow(
            id=str(uuid.uuid4()),
            at_ms=time.time_ns() // 1_000_000,
            actor=actor[:80],
            action=action[:64],
            subject=subject[:128],
            detail=detail or {},
        )
    )


async def listing(
    session: AsyncSession,
    limit: int,
    before: tuple[int, str] | None = None,
    action: str | None = None,
) -> Sequence[AuditRow]:
    """Rows newest first, from behind the one with this time and id."""
    query = select(AuditRow).order_by(AuditRow.at_ms.desc(), AuditRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(AuditRow.at_ms, AuditRow.id) < tuple_(*before))
    if action is not None:
        query = query.where(AuditRow.action == action)
    return (await session.scalars(query)).all()


async def sweep(session: AsyncSession, before_ms: int) -> None:
    """Forget what is older than ``before_ms`` (Unix ms)."""
    await session.execute(delete(AuditRow).where(AuditRow.at_ms < before_ms))
