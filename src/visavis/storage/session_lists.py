"""Sessions, page by page, and their event logs, piece by piece."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.events import SESSION_EVENT, EndReason, EventRecord, SessionState
from visavis.storage.tables import EventRow, SessionRow


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions; None does not matter. Times are Unix ms, ``until_ms`` excluded."""

    agent_id: str | None = None
    state: SessionState | None = None
    active: bool | None = None
    end_reason: EndReason | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    metadata: tuple[str, str] | None = None
    """A key and the text that it must have."""


async def page(
    session: AsyncSession, wanted: SessionFilter, limit: int, before: tuple[int, str] | None
) -> Sequence[SessionRow]:
    """Newest first, from behind the one with this creation time and id."""
    statement = _where(select(SessionRow), wanted)
    if before is not None:
        place = tuple_(SessionRow.created_at, SessionRow.id)
        statement = statement.where(place < tuple_(*before))
    newest_first = (SessionRow.created_at.desc(), SessionRow.id.desc())
    return (await session.scalars(statement.order_by(*newest_first).limit(limit))).all()


async def events_after(
    session: AsyncSession, session_id: str, after: int, limit: int
) -> list[EventRecord]:
    """The events behind sequence number ``after``, in order."""
    statement = (
        select(EventRow)
        .where(EventRow.session_id == session_id, EventRow.seq > after)
        .order_by(EventRow.seq)
        .limit(limit)
    )
    return [
        EventRecord(
            session_id=row.session_id,
            seq=row.seq,
            at_ms=row.at_ms,
            event=SESSION_EVENT.validate_python(row.payload),
        )
        for row in await session.scalars(statement)
    ]


def _where(statement: Select[SessionRow], wanted: SessionFilter) -> Select[SessionRow]:
    row = SessionRow
    if wanted.agent_id is not None:
        statement = statement.where(row.agent_id == wanted.agent_id)
    if wanted.state is not None:
        statement = statement.where(row.state == wanted.state.value)
    if wanted.active is not None:
        statement = statement.where(row.ended_at.is_(None) == wanted.active)
    if wanted.end_reason is not None:
        statement = statement.where(row.end_reason == wanted.end_reason.value)
    if wanted.from_ms is not None:
        statement = statement.where(row.created_at >= wanted.from_ms)
    if wanted.until_ms is not None:
        statement = statement.where(row.created_at < wanted.until_ms)
    if wanted.metadata is not None:
        key, value = wanted.metadata
        statement = statement.where(row.meta[key].as_string() == value)
    return statement
