"""The record of sessions: rows in, rows out."""

from collections.abc import Sequence
from dataclasses import asdict

from pydantic import JsonValue
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.schema import AgentConfiguration
from visavis.events import (
    SESSION_EVENT,
    EndReason,
    EventRecord,
    SessionState,
    StateEntered,
    ToolCallFinished,
    ToolCallStarted,
    TurnCompleted,
)
from visavis.storage.tables import (
    AttemptRow,
    DeliveryRow,
    EventRow,
    IdempotencyRow,
    Json,
    SessionRow,
    SlotRow,
    StateRow,
    ToolCallRow,
    TurnRow,
)


async def find(session: AsyncSession, session_id: str) -> SessionRow | None:
    return await session.get(SessionRow, session_id)


async def states(session: AsyncSession, session_id: str) -> Sequence[StateRow]:
    """States entered so far, in order."""
    statement = select(StateRow).where(StateRow.session_id == session_id).order_by(StateRow.at_ms)
    order = {state.value: place for place, state in enumerate(SessionState)}
    rows = (await session.scalars(statement)).all()
    return sorted(rows, key=lambda row: order.get(row.state, len(order)))


async def turns(session: AsyncSession, session_id: str) -> Sequence[TurnRow]:
    statement = select(TurnRow).where(TurnRow.session_id == session_id).order_by(TurnRow.turn_id)
    return (await session.scalars(statement)).all()


async def events(session: AsyncSession, session_id: str) -> list[EventRecord]:
    """The session's whole event log, in order."""
    statement = select(EventRow).where(EventRow.session_id == session_id).order_by(EventRow.seq)
    return [
        EventRecord(
            session_id=row.session_id,
            seq=row.seq,
            at_ms=row.at_ms,
            event=SESSION_EVENT.validate_python(row.payload),
        )
        for row in await session.scalars(statement)
    ]


async def open_ids(session: AsyncSession) -> Sequence[str]:
    """Ids of sessions that have not ended."""
    return (await session.scalars(select(SessionRow.id).where(SessionRow.ended_at.is_(None)))).all()


async def reconfigure(
    session: AsyncSession,
    session_id: str,
    configuration: AgentConfiguration,
    metadata: dict[str, JsonValue],
) -> None:
    """The session goes on with another configuration than it began with."""
    await session.execute(
        update(SessionRow)
        .where(SessionRow.id == session_id)
        .values(configuration=configuration.model_dump(mode="json"), meta=metadata)
    )


async def mark_joined(session: AsyncSession, session_id: str, at_ms: int) -> None:
    await session.execute(
        update(SessionRow).where(SessionRow.id == session_id).values(joined_at=at_ms)
    )


async def mark_ended(
    session: AsyncSession, session_id: str, at_ms: int, reason: EndReason, figures: Json
) -> None:
    await session.execute(
        update(SessionRow)
        .where(SessionRow.id == session_id)
        .values(ended_at=at_ms, end_reason=reason.value, figures=figures)
    )


async def erase(session: AsyncSession, session_id: str) -> None:
    """Remove a session and every row that holds any of it, or an answer that told of it."""
    theirs = select(DeliveryRow.id).where(DeliveryRow.session_id == session_id)
    statements = [
        delete(AttemptRow).where(AttemptRow.delivery_id.in_(theirs)),
        delete(DeliveryRow).where(DeliveryRow.session_id == session_id),
        delete(IdempotencyRow).where(IdempotencyRow.body.contains(session_id, autoescape=True)),
        *(
            delete(table).where(table.session_id == session_id)
            for table in (EventRow, ToolCallRow, TurnRow, StateRow)
        ),
        update(SlotRow).where(SlotRow.session_id == session_id).values(session_id=None),
        delete(SessionRow).where(SessionRow.id == session_id),
    ]
    for statement in statements:
        await session.execute(statement.execution_options(synchronize_session=False))


async def keep_recording(session: AsyncSession, session_id: str, recording: Json) -> bool:
    """Note where the recording is; False when the session is gone."""
    statement = (
        update(SessionRow)
        .where(SessionRow.id == session_id)
        .values(recording=recording)
        .returning(SessionRow.id)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def set_delete_after(session: AsyncSession, session_id: str, at_ms: int) -> None:
    await session.execute(
        update(SessionRow)
        .where(SessionRow.id == session_id)
        .values(delete_after=at_ms)
        .execution_options(synchronize_session=False)
    )


async def due_for_deletion(session: AsyncSession, now_ms: int, limit: int) -> Sequence[str]:
    """Ids of ended sessions whose time to be kept is over, longest overdue first."""
    statement = (
        select(SessionRow.id)
        .where(SessionRow.delete_after <= now_ms, SessionRow.ended_at.is_not(None))
        .order_by(SessionRow.delete_after)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def append(session: AsyncSession, records: Sequence[EventRecord]) -> None:
    """Add events to their logs, and what follows from them to states and turns.

    The caller gives each (session, seq), each state and each turn once.
    """
    for record in records:
        event = record.event
        session.add(
            EventRow(
                session_id=record.session_id,
                seq=record.seq,
                at_ms=record.at_ms,
                type=event.type,
                payload=SESSION_EVENT.dump_python(event, mode="json"),
            )
        )
        if isinstance(event, StateEntered):
            await _enter_state(session, record, event.state)
        elif isinstance(event, TurnCompleted):
            session.add(_turn_row(record, event))
        elif isinstance(event, ToolCallStarted):
            session.add(_tool_call_row(record, event))
            await session.flush()
        elif isinstance(event, ToolCallFinished):
            await _finish_tool_call(session, record, event)


async def _enter_state(session: AsyncSession, record: EventRecord, state: SessionState) -> None:
    session.add(StateRow(session_id=record.session_id, state=state.value, at_ms=record.at_ms))
    await session.execute(
        update(SessionRow)
        .where(SessionRow.id == record.session_id)
        .values(state=state.value)
        .execution_options(synchronize_session=False)
    )


async def tool_calls(session: AsyncSession, session_id: str) -> Sequence[ToolCallRow]:
    statement = (
        select(ToolCallRow)
        .where(ToolCallRow.session_id == session_id)
        .order_by(ToolCallRow.started_at, ToolCallRow.call_id)
    )
    return (await session.scalars(statement)).all()


async def _finish_tool_call(
    session: AsyncSession, record: EventRecord, event: ToolCallFinished
) -> None:
    await session.execute(
        update(ToolCallRow)
        .where(ToolCallRow.session_id == record.session_id, ToolCallRow.call_id == event.call_id)
        .values(
            took_ms=event.took_ms, ok=event.ok, result=event.result, error_code=event.error_code
        )
        .execution_options(synchronize_session=False)
    )


def _tool_call_row(record: EventRecord, event: ToolCallStarted) -> ToolCallRow:
    return ToolCallRow(
        session_id=record.session_id,
        call_id=event.call_id,
        turn_id=event.turn_id,
        tool_id=event.tool_id,
        name=event.name,
        arguments=event.arguments,
        is_async=event.is_async,
        started_at=record.at_ms,
    )


def _turn_row(record: EventRecord, event: TurnCompleted) -> TurnRow:
    return TurnRow(
        session_id=record.session_id,
        turn_id=event.turn_id,
        completed_at=record.at_ms,
        user_text=event.user_text,
        agent_text=event.agent_text,
        interrupted=event.interrupted,
        timings=asdict(event.timings),
        frames_sent=event.frames_sent,
        frames_dropped=event.frames_dropped,
    )
