"""Retention: sessions are deleted when their time is over."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.events import EventRecord, SessionEnded
from visavis.storage import sessions as store
from visavis.storage.blobs import BlobsError
from visavis.storage.database import Database

SWEEP_S = 300.0
BATCH = 50
DAY_MS = 86_400_000

log = structlog.stdlib.get_logger("visavis.retention")


class Retention:
    """An ``Observer`` that notes at a session's end how long it is kept, and a sweep.

    ``days`` is the house's rule; an agent's own comes first. None: kept until deleted.
    """

    def __init__(self, database: Database, days: int | None) -> None:
        self._database = database
        self._days = days

    async def within(self, session: AsyncSession, records: Sequence[EventRecord]) -> None:
        for record in records:
            if isinstance(record.event, SessionEnded):
                await self._note(session, record)

    def after(self, records: Sequence[EventRecord]) -> None:
        pass

    @asynccontextmanager
    async def sweeping(self, delete: Callable[[str], Awaitable[object]]) -> AsyncGenerator[None]:
        """Call ``delete`` with the id of every session that is due, now and every few minutes."""
        async with asyncio.TaskGroup() as group:
            sweep = group.create_task(self._sweep_on(delete), name="retention")
            yield
            sweep.cancel()

    async def sweep(self, delete: Callable[[str], Awaitable[object]]) -> int:
        """Delete what is due now; how many that were.

        One that cannot be deleted is left for the next sweep, and does not keep others.
        """
        deleted = 0
        failed: set[str] = set()
        while True:
            async with self._database.read() as session:
                due = await store.due_for_deletion(session, _now_ms(), BATCH + len(failed))
            due = [session_id for session_id in due if session_id not in failed]
            if not due:
                return deleted
            for session_id in due:
                try:
                    await delete(session_id)
                    deleted += 1
                except (SQLAlchemyError, BlobsError, OSError) as error:
                    log.error("not_deleted", session_id=session_id, error=type(error).__name__)
                    failed.add(session_id)

    async def _sweep_on(self, delete: Callable[[str], Awaitable[object]]) -> None:
        while True:
            try:
                deleted = await self.sweep(delete)
                if deleted:
                    log.info("swept", deleted=deleted)
            except SQLAlchemyError as error:
                log.error("database_unavailable", error=type(error).__name__)
            await asyncio.sleep(SWEEP_S)

    async def _note(self, session: AsyncSession, record: EventRecord) -> None:
        row = await store.find(session, record.session_id)
        if row is None:
            return
        own: dict[str, Any] = row.configuration.get("retention") or {}
        days = own.get("days") or self._days
        if days is not None:
            await store.set_delete_after(session, record.session_id, record.at_ms + days * DAY_MS)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
