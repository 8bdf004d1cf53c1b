"""The outbox: messages are written in the transaction that stores what they tell about."""

import time
from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.events import (
    EventRecord,
    SessionState,
    StateEntered,
    ToolCallFinished,
)
from visavis.jobs import payloads
from visavis.records.transcript import utterances
from visavis.storage import sessions as records_store
from visavis.storage import webhooks as store
from visavis.storage.tables import SessionRow, ToolCallRow

_STARTED = StateEntered(SessionState.CONVERSATION)
_ENDED = StateEntered(SessionState.ENDED)


class Outbox:
    """An observer of all sessions. ``wake`` is called when there is something to deliver."""

    def __init__(self, wake: Callable[[], None], base_url: str) -> None:
        self._wake = wake
        self._base_url = base_url.rstrip("/")

    async def within(self, session: AsyncSession, records: Sequence[EventRecord]) -> None:
        """Write what these events give occasion to."""
        for record in filter(_tells, records):
            await session.flush()
            row = await _session_row(session, record.session_id)
            if row is None:
                continue
            if isinstance(record.event, ToolCallFinished):
                await self._tool_called(session, row, record, record.event)
            elif record.event == _STARTED:
                await _tell_all(session, row, payloads.session_started(row, record.at_ms))
            else:
                await self._ended(session, row)

    def after(self, records: Sequence[EventRecord]) -> None:
        if any(map(_tells, records)):
            self._wake()

    async def recording_ready(self, session: AsyncSession, session_id: str) -> None:
        """Call it in the transaction that stores the recording, and ``wake`` once it commits."""
        await session.flush()
        row = await _session_row(session, session_id)
        if row is not None and row.recording is not None:
            now_ms = time.time_ns() // 1_000_000
            await _tell_all(session, row, payloads.recording_ready(row, now_ms, self._base_url))

    def wake(self) -> None:
        """Something was put in the outbox and is committed."""
        self._wake()

    async def _ended(self, session: AsyncSession, row: SessionRow) -> None:
        said = utterances(await records_store.events(session, row.id))
        await _tell_all(session, row, payloads.session_ended(row))
        if said and payloads.keeps_words(row):
            await _tell_all(session, row, payloads.transcript_ready(row, said, self._base_url))
        wishes = row.configuration.get("end_of_conversation", {})
        url = row.callback_url or wishes.get("callback_url")
        if not url:
            return
        payload = payloads.session_ended_bare(row)
        if wishes.get("send_data_on_end"):
            turns = await records_store.turns(session, row.id)
            calls = await records_store.tool_calls(session, row.id)
            payload = payloads.session_ended_full(row, said, turns, calls, self._base_url)
        store.post(session, url, payload, webhook_id=None, session_id=row.id)

    async def _tool_called(
        self, session: AsyncSession, row: SessionRow, record: EventRecord, event: ToolCallFinished
    ) -> None:
        call = await session.get(ToolCallRow, (row.id, event.call_id), populate_existing=True)
        if call is not None:
            await _tell_all(session, row, payloads.tool_called(row, call, event, record.at_ms))


def _tells(record: EventRecord) -> bool:
    event = record.event
    return event in (_STARTED, _ENDED) or isinstance(event, ToolCallFinished)


async def _session_row(session: AsyncSession, session_id: str) -> SessionRow | None:
    """As it is now: updates in this transaction went past the session's memory."""
    query = select(SessionRow).where(SessionRow.id == session_id)
    return await session.scalar(query.execution_options(populate_existing=True))


async def _tell_all(session: AsyncSession, row: SessionRow, payload: payloads.Payload) -> None:
    for webhook in await store.listeners(session, payload["type"]):
        store.post(session, webhook.url, payload, webhook_id=webhook.id, session_id=row.id)
