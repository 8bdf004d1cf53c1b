"""Recordings on their way: from the file that a call left to a blob that can be fetched.

A worker writes a capture while the call runs. When the session has ended, however it ended, the
capture is converted in a process of its own and stored; what an earlier server did not come to is
done at the start. A recording that was asked to be forgotten is stopped wherever it is.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.schema import AgentConfiguration
from visavis.events import EventRecord, SessionEnded
from visavis.records.recorder_mp4 import NOTHING
from visavis.storage import sessions as store
from visavis.storage.blobs import Blobs, BlobsError
from visavis.storage.database import Database
from visavis.storage.tables import Json

CONVERT_S = 2 * 3600.0
RETRY_S = 30.0
NICENESS = 15
FOLDER = "recordings"

log = structlog.stdlib.get_logger("visavis.recordings")


def blob_key(session_id: str) -> str:
    return f"recordings/{session_id}.mp4"


def capture_path(data_dir: Path, session_id: str) -> Path:
    """Where a worker writes a session's capture."""
    return data_dir.resolve() / FOLDER / f"{session_id}.capture"


def records(agent: AgentConfiguration) -> bool:
    """Whether this agent asks to record; one that keeps no words keeps no voices either."""
    return agent.recording.enabled and not agent.retention.zero


class ConversionFailed(Exception):
    """The capture cannot be made an MP4; the message is the converter's last line."""


class Outbox(Protocol):
    """Tells webhooks that a recording is ready: in the transaction that says so, and after it."""

    async def recording_ready(self, session: AsyncSession, session_id: str) -> None: ...

    def wake(self) -> None: ...


class Recordings:
    """Use ``async with recordings.running():`` outside of the sessions' own life.

    An ``Observer``: the end of a session sets its recording going. One is converted at a time.
    """

    def __init__(
        self, data_dir: Path, database: Database, blobs: Blobs, outbox: Outbox | None = None
    ) -> None:
        self._data_dir = data_dir
        self._folder = data_dir.resolve() / FOLDER
        self._database = database
        self._blobs = blobs
        self._outbox = outbox
        self._due: dict[str, None] = {}
        self._news = asyncio.Event()
        self._current: tuple[str, asyncio.Task[None]] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Recordings"]:
        """Convert and store in the background; what is not done at exit is done next time."""
        for session_id in await asyncio.to_thread(self._captured):
            self._enqueue(session_id)
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._work(group), name="recordings")
            yield self
            work.cancel()
            if self._current:
                self._current[1].cancel()

    def pending(self, session_id: str) -> bool:
        """Whether there is a recording that cannot be fetched yet. (Looks at a folder.)"""
        return self._path(session_id).exists()

    async def forget(self, session_id: str) -> None:
        """Remove every trace of a session's recording, finished or not."""
        self._due.pop(session_id, None)
        if self._current and self._current[0] == session_id:
            self._current[1].cancel()
            await asyncio.wait([self._current[1]])
        await asyncio.to_thread(self._remove_files, session_id)
        await self._blobs.delete(blob_key(session_id))

    # -- Observer

    async def within(self, session: AsyncSession, records: Sequence[EventRecord]) -> None:
        pass

    def after(self, records: Sequence[EventRecord]) -> None:
        for record in records:
            if isinstance(record.event, SessionEnded) and self.pending(record.session_id):
                self._enqueue(record.session_id)

    # -- the work

    def _enqueue(self, session_id: str) -> None:
        self._due[session_id] = None
        self._news.set()

    async def _work(self, group: asyncio.TaskGroup) -> None:
        while True:
            while not self._due:
                self._news.clear()
                await self._news.wait()
            session_id = next(iter(self._due))
            del self._due[session_id]
            task = group.create_task(self._finish(session_id))
            self._current = session_id, task
            await asyncio.wait([task])
            self._current = None

    async def _finish(self, session_id: str) -> None:
        """Convert, store and announce one recording. Only cancellation is raised."""
        target = self._folder / f"{session_id}.mp4"
        try:
            duration_ms = await self._convert(self._path(session_id), target)
            if duration_ms is not None:
                await self._keep(session_id, target, duration_ms)
        except ConversionFailed as error:  # kept for whoever wants to look into it
            log.error("recording_unreadable", session_id=session_id, error=str(error))
            broken = self._folder / f"{session_id}.broken"
            await asyncio.to_thread(self._path(session_id).replace, broken)
        except Exception:
            log.exception("recording_failed", session_id=session_id)
        else:
            await asyncio.to_thread(self._remove_files, session_id)

    async def _convert(self, capture: Path, target: Path) -> int | None:
        """The MP4's length in ms; None when nothing was recorded. Ends its process if cancelled."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "visavis.sessions.leash", "--nice", str(NICENESS)),
            *("visavis.records.recorder_mp4", str(capture), str(target)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(CONVERT_S):
                out, problems = await process.communicate()
        except TimeoutError:
            raise ConversionFailed("took too long") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == NOTHING:
            return None
        if process.returncode:
            lines = problems.decode(errors="replace").strip().splitlines()
            raise ConversionFailed(lines[-1][:300] if lines else f"status {process.returncode}")
        return json.loads(out)["duration_ms"]

    async def _keep(self, session_id: str, target: Path, duration_ms: int) -> None:
        """Store the MP4 and say so in the record; tries until both are there."""
        key = blob_key(session_id)
        size = await asyncio.to_thread(lambda: target.stat().st_size)
        about: Json = {"key": key, "size_bytes": size, "duration_ms": duration_ms}
        while True:
            try:
                await self._blobs.put(key, target)
                if not await self._note(session_id, about):
                    await self._blobs.delete(key)
                return
            except (SQLAlchemyError, BlobsError) as error:
                log.error("recording_waits", session_id=session_id, error=type(error).__name__)
            await asyncio.sleep(RETRY_S)

    async def _note(self, session_id: str, about: Json) -> bool:
        async with self._database.write() as session:
            kept = await store.keep_recording(session, session_id, about)
            if kept and self._outbox:
                await self._outbox.recording_ready(session, session_id)
        if kept and self._outbox:
            self._outbox.wake()
        log.info("recording_ready" if kept else "recording_orphaned", session_id=session_id)
        return kept

    def _path(self, session_id: str) -> Path:
        return capture_path(self._data_dir, session_id)

    def _captured(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.capture"))

    def _remove_files(self, session_id: str) -> None:
        for path in self._folder.glob(f"{session_id}.*"):
            path.unlink(missing_ok=True)
