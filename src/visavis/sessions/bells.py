"""Wakes those who read a session's event log live."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from visavis.events import EventRecord

MAX_PER_SESSION = 20
MAX_READERS = 1000


class Bells:
    """An ``Observer`` that keeps no events: a reader is one bell, however slow it reads."""

    def __init__(self) -> None:
        self._bells: dict[str, set[asyncio.Event]] = {}
        self._readers = 0
        self.closed = False
        """No more will be told: the server stops."""

    async def within(self, session: AsyncSession, records: Sequence[EventRecord]) -> None:
        return

    def after(self, records: Sequence[EventRecord]) -> None:
        for session_id in {record.session_id for record in records}:
            for bell in self._bells.get(session_id, ()):
                bell.set()

    def has_room(self, session_id: str) -> bool:
        """Whether one more may read this session's log live."""
        here = len(self._bells.get(session_id, ()))
        return here < MAX_PER_SESSION and self._readers < MAX_READERS and not self.closed

    @contextmanager
    def listening(self, session_id: str) -> Generator[asyncio.Event]:
        """A bell that is rung when the session's log has grown, or nothing more will come."""
        bell = asyncio.Event()
        self._bells.setdefault(session_id, set()).add(bell)
        self._readers += 1
        try:
            yield bell
        finally:
            self._readers -= 1
            self._bells[session_id].discard(bell)
            if not self._bells[session_id]:
                del self._bells[session_id]

    def close(self) -> None:
        """Let all readers go."""
        self.closed = True
        for bells in self._bells.values():
            for bell in bells:
                bell.set()
