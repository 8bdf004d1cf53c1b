"""The journal: writes events to the database as they come, in small batches."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.events import EventRecord
from visavis.sessions.observer import Observer
from visavis.storage import sessions as store
from visavis.storage.database import Database

BATCH_S = 0.15
"""What was said is on disk this long after it was said."""
MAX_BATCH = 200
MAX_WAITING = 10_000
RETRY_S = 1.0

log = structlog.stdlib.get_logger("visavis.journal")


class Journal:
    """``add`` waits when the database cannot follow; nothing is dropped."""

    def __init__(self, database: Database, observers: Sequence[Observer] = ()) -> None:
        self._database = database
        self._observers = tuple(observers)
        self._waiting: asyncio.Queue[EventRecord | asyncio.Event] = asyncio.Queue(MAX_WAITING)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Journal"]:
        """Write in the background; everything is on disk when this exits."""
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(self._write_on(), name="journal")
            yield self
            await self.flush()
            writer.cancel()

    async def add(self, record: EventRecord) -> None:
        await self._waiting.put(record)

    async def flush(self) -> None:
        """Wait until everything added so far is on disk."""
        done = asyncio.Event()
        await self._waiting.put(done)
        await done.wait()

    async def append(self, session: AsyncSession, records: Sequence[EventRecord]) -> None:
        """Store records in the caller's transaction; ``announce`` them once it is committed."""
        await store.append(session, records)
        for observer in self._observers:
            await observer.within(session, records)

    def announce(self, records: Sequence[EventRecord]) -> None:
        for observer in self._observers:
            observer.after(records)

    async def _write_on(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            if isinstance(batch[0], EventRecord):
                await self._gather(batch)
            await self._write([item for item in batch if isinstance(item, EventRecord)])
            for item in batch:
                if isinstance(item, asyncio.Event):
                    item.set()

    async def _gather(self, batch: list[EventRecord | asyncio.Event]) -> None:
        """Add to the batch for a moment, or until someone asks for a flush."""
        try:
            async with asyncio.timeout(BATCH_S):
                while len(batch) < MAX_BATCH and isinstance(batch[-1], EventRecord):
                    batch.append(await self._waiting.get())
        except TimeoutError:
            return

    async def _write(self, records: Sequence[EventRecord]) -> None:
        if not records:
            return
        while True:
            try:
                async with self._database.write() as session:
                    await self.append(session, records)
                self.announce(records)
                return
            except IntegrityError as error:
                if len(records) == 1:
                    log.error("event_refused", seq=records[0].seq, error=str(error.orig))
                    return
                for record in records:
                    await self._write([record])
                return
            except SQLAlchemyError as error:
                log.error("database_unavailable", waiting=len(records), error=type(error).__name__)
                await asyncio.sleep(RETRY_S)
