"""Webhooks and the outbox: who is told, what is on its way, and how each attempt went."""

import time
import uuid
from collections.abc import Sequence

from sqlalchemy import case, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.storage.tables import AttemptRow, DeliveryRow, Json, WebhookRow

EVERY_EVENT = "*"
LOST_MS = 60_000
"""An attempt this much overdue has lost its timer, and is handed over once more."""


async def find(session: AsyncSession, webhook_id: str) -> WebhookRow | None:
    return await session.get(WebhookRow, webhook_id)


async def count(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(WebhookRow)) or 0


async def listing(
    session: AsyncSession, limit: int, before: tuple[int, str] | None
) -> Sequence[WebhookRow]:
    """Newest first, from behind the one with this creation time and id."""
    query = select(WebhookRow).order_by(WebhookRow.created_at.desc(), WebhookRow.id.desc())
    if before is not None:
        query = query.where(tuple_(WebhookRow.created_at, WebhookRow.id) < tuple_(*before))
    return (await session.scalars(query.limit(limit))).all()


async def listeners(session: AsyncSession, event_type: str) -> list[WebhookRow]:
    """The enabled webhooks that want to hear of ``event_type``."""
    rows = await session.scalars(select(WebhookRow).where(WebhookRow.enabled.is_(True)))
    return [row for row in rows if EVERY_EVENT in row.events or event_type in row.events]


def post(
    session: AsyncSession,
    url: str,
    payload: Json,
    *,
    webhook_id: str | None,
    session_id: str | None,
    replay_of: str | None = None,
) -> DeliveryRow:
    """Put a message in the outbox: it is on its way once the caller's transaction commits."""
    row = DeliveryRow(
        id=str(uuid.uuid4()),
        webhook_id=webhook_id,
        session_id=session_id,
        url=url,
        event_type=payload["type"],
        payload=payload,
        status="pending",
        created_at=time.time_ns() // 1_000_000,
        replay_of=replay_of,
    )
    session.add(row)
    return row


async def delivery(session: AsyncSession, delivery_id: str) -> DeliveryRow | None:
    return await session.get(DeliveryRow, delivery_id)


async def deliveries(
    session: AsyncSession,
    limit: int,
    before: tuple[int, str] | None,
    *,
    webhook_id: str | None = None,
    session_id: str | None = None,
    status: str | None = None,
) -> Sequence[DeliveryRow]:
    """Newest first; None stands for any."""
    query = select(DeliveryRow).order_by(DeliveryRow.created_at.desc(), DeliveryRow.id.desc())
    if before is not None:
        query = query.where(tuple_(DeliveryRow.created_at, DeliveryRow.id) < tuple_(*before))
    if webhook_id is not None:
        query = query.where(DeliveryRow.webhook_id == webhook_id)
    if session_id is not None:
        query = query.where(DeliveryRow.session_id == session_id)
    if status is not None:
        query = query.where(DeliveryRow.status == status)
    return (await session.scalars(query.limit(limit))).all()


async def attempts(
    session: AsyncSession, delivery_ids: Sequence[str]
) -> dict[str, list[AttemptRow]]:
    """Each delivery's attempts, first to last."""
    found: dict[str, list[AttemptRow]] = {one: [] for one in delivery_ids}
    query = select(AttemptRow).where(AttemptRow.delivery_id.in_(delivery_ids))
    for row in await session.scalars(query.order_by(AttemptRow.number)):
        found[row.delivery_id].append(row)
    return found


async def attempt(session: AsyncSession, delivery_id: str, number: int) -> AttemptRow | None:
    return await session.get(AttemptRow, (delivery_id, number))


async def any_pending(session: AsyncSession) -> bool:
    """Whether anything is on its way at all."""
    query = select(DeliveryRow.id).where(DeliveryRow.status == "pending").limit(1)
    return await session.scalar(query) is not None


async def not_under_way(session: AsyncSession, now_ms: int, limit: int) -> list[tuple[str, int]]:
    """Pending deliveries that nobody has taken on, or whose timer is lost: id, next attempt."""
    tried = (
        select(func.count())
        .where(AttemptRow.delivery_id == DeliveryRow.id)
        .correlate(DeliveryRow)
        .scalar_subquery()
    )
    due = DeliveryRow.next_attempt_at
    query = (
        select(DeliveryRow.id, tried)
        .where(DeliveryRow.status == "pending")
        .where(due.is_(None) | (due < now_ms - LOST_MS))
        .order_by(DeliveryRow.created_at)
        .limit(limit)
    )
    return [(row[0], row[1] + 1) for row in await session.execute(query)]


async def taken_on(session: AsyncSession, delivery_ids: Sequence[str], now_ms: int) -> None:
    """Note that these deliveries' next attempts are in the queue."""
    await session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id.in_(delivery_ids), DeliveryRow.status == "pending")
        .values(next_attempt_at=now_ms)
        .execution_options(synchronize_session=False)
    )


async def cancel_pending(session: AsyncSession, webhook_id: str) -> None:
    """What was on its way to this webhook is not sent any more."""
    await session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.webhook_id == webhook_id, DeliveryRow.status == "pending")
        .values(status="cancelled", next_attempt_at=None)
    )


async def redirect_pending(session: AsyncSession, webhook_id: str, url: str) -> None:
    """What is on its way to this webhook goes to its new URL."""
    await session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.webhook_id == webhook_id, DeliveryRow.status == "pending")
        .values(url=url)
    )


async def disable(session: AsyncSession, row: WebhookRow, reason: str, now_ms: int) -> None:
    row.enabled = False
    row.disabled_reason = reason
    row.updated_at = now_ms
    await cancel_pending(session, row.id)


async def failing_since(session: AsyncSession, webhook_id: str) -> int | None:
    """When the webhook's unbroken row of failures began (Unix ms); None when it works."""
    ok = AttemptRow.error.is_(None)
    theirs = (
        select(AttemptRow.at_ms, ok.label("ok"))
        .join(DeliveryRow, DeliveryRow.id == AttemptRow.delivery_id)
        .where(DeliveryRow.webhook_id == webhook_id)
        .subquery()
    )
    worked = select(func.max(case((theirs.c.ok, theirs.c.at_ms)))).scalar_subquery()
    query = select(func.min(theirs.c.at_ms)).where(theirs.c.at_ms > func.coalesce(worked, 0))
    return await session.scalar(query)
