"""How sessions end in the books: each exactly once, summed up, with its slot given back."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from visavis.events import EndReason, EventRecord, SessionEnded, SessionState, StateEntered
from visavis.records.figures import figures
from visavis.sessions.journal import Journal
from visavis.sessions.live import now_ms
from visavis.storage import sessions as store
from visavis.storage import slots
from visavis.storage.database import Database


class Ledger:
    """Both methods raise ``SQLAlchemyError`` where the database cannot follow."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    async def close(self, session_id: str, reason: EndReason) -> None:
        """Everything about the end in one transaction: who sees ``ended`` sees it all."""
        async with self._database.write() as session:
            states = [StateEntered(SessionState.ENDED)]
            records = await self._write_end(session, session_id, states, reason)
            await slots.release(session, session_id)
        self._journal.announce(records)

    async def settle_leftovers(self, seats: int) -> None:
        """A server that was killed left sessions open: they ended with it. All seats are free."""
        written: list[EventRecord] = []
        async with self._database.write() as session:
            for session_id in await store.open_ids(session):
                entered = {row.state for row in await store.states(session, session_id)}
                missing = [
                    StateEntered(state)
                    for state in (SessionState.ANALYTICS, SessionState.ENDED)
                    if state.value not in entered
                ]
                written += await self._write_end(
                    session, session_id, missing, EndReason.SERVER_STOPPED
                )
            await slots.lay_out(session, seats)
        self._journal.announce(written)

    async def _write_end(
        self,
        session: AsyncSession,
        session_id: str,
        states: Sequence[StateEntered],
        reason: EndReason,
    ) -> list[EventRecord]:
        """Sum up the session's log and close it with its end and its last states."""
        history = await store.events(session, session_id)
        first_seq = history[-1].seq + 1 if history else 0
        now = now_ms()
        records = [
            EventRecord(session_id=session_id, seq=first_seq + n, at_ms=now, event=event)
            for n, event in enumerate([SessionEnded(reason), *states])
        ]
        summary = figures(history).model_dump(mode="json")
        await store.mark_ended(session, session_id, now, reason, summary)
        await self._journal.append(session, records)
        return records
