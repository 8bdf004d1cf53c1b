"""Placement on this machine: N worker processes, watched and replaced when they die."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType

import structlog

from visavis.conversation.commands import Command
from visavis.conversation.spec import SessionSpec
from visavis.events import EndReason
from visavis.sessions.control import AddCandidates, Candidate, OpenRoom, Renegotiate, Tell
from visavis.sessions.placement import PlacementError, Report
from visavis.sessions.worker_process import STOP_S, WorkerProcess

WORKER_MODULE = "visavis.sessions.worker"
FIRST_BACKOFF_S = 0.2
LAST_BACKOFF_S = 30.0
STEADY_S = 60.0
"""A worker that lived this long was healthy; its successor starts without back-off."""
MAX_UNREAD = 4096

log = structlog.stdlib.get_logger("visavis.placement")


class LocalPlacement:
    """``async with LocalPlacement(…)``: workers start at once and are reaped at exit."""

    def __init__(
        self,
        workers: int,
        sessions_per_worker: int,
        *,
        module: str = WORKER_MODULE,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._count = workers
        self._sessions_per_worker = sessions_per_worker
        self._module = module
        self._environment = dict(environment or {})
        self._workers: list[WorkerProcess] = []
        """Those that live, the retiring ones beside their successors."""
        self._reports: asyncio.Queue[Report] = asyncio.Queue(MAX_UNREAD)
        self._stopping = False
        self._failure = ""
        self._all_ready = asyncio.Event()
        self._stillborn = asyncio.Event()
        self._supervisors: list[asyncio.Task[None]] = []
        self._lives: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "LocalPlacement":
        self._supervisors = [
            asyncio.create_task(self._supervise(f"worker-{n}"), name=f"worker-{n}")
            for n in range(self._count)
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def ready(self) -> bool:
        return any(worker.open_to_sessions for worker in self._workers)

    @property
    def pids(self) -> list[int]:
        """The live workers' process ids, those of retiring ones among them."""
        return [worker.pid for worker in self._workers]

    async def wait_ready(self) -> None:
        """Return when all workers are up. Raises ``PlacementError`` if one dies while loading."""
        waits = [asyncio.create_task(e.wait()) for e in (self._all_ready, self._stillborn)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._all_ready.is_set():
            raise PlacementError("worker_failed", self._failure)

    async def open(self, spec: SessionSpec, sdp: str, first_seq: int) -> str:
        worker = self._least_loaded()
        return await worker.open(OpenRoom(spec=spec, sdp=sdp, first_seq=first_seq))

    async def renegotiate(self, session_id: str, sdp: str) -> str:
        worker = self._holder(session_id)
        return await worker.request(Renegotiate(session_id=session_id, sdp=sdp))

    async def add_candidates(self, session_id: str, candidates: Sequence[Candidate]) -> None:
        worker = self._holder(session_id)
        await worker.request(AddCandidates(session_id=session_id, candidates=list(candidates)))

    async def tell(self, session_id: str, command: Command) -> None:
        await self._holder(session_id).request(Tell(session_id=session_id, command=command))

    async def end(self, session_id: str, reason: EndReason) -> None:
        self._holder(session_id).end(session_id, reason)

    async def reports(self) -> AsyncIterator[Report]:
        while True:
            yield await self._reports.get()

    async def stop(self) -> None:
        """End all sessions, let the workers leave, and kill those that do not; idempotent."""
        self._stopping = True
        for worker in self._workers:
            worker.stop()
        if self._supervisors:
            await asyncio.wait([*self._supervisors, *self._lives], timeout=STOP_S)
        late = [*self._supervisors, *self._lives]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _least_loaded(self) -> WorkerProcess:
        free = [
            worker
            for worker in self._workers
            if worker.open_to_sessions and len(worker.sessions) < self._sessions_per_worker
        ]
        if not free:
            raise PlacementError("no_worker", "No worker is ready to take the session.")
        return min(free, key=lambda worker: len(worker.sessions))

    def _holder(self, session_id: str) -> WorkerProcess:
        for worker in self._workers:
            if session_id in worker.sessions:
                return worker
        raise PlacementError("session_ended", "No worker holds this session any more.")

    def _note_ready(self) -> None:
        ready = [worker for worker in self._workers if worker.open_to_sessions]
        log.info("worker_ready", ready=len(ready), of=self._count)
        if len(ready) == self._count:
            self._all_ready.set()

    async def _supervise(self, name: str) -> None:
        """Keep one worker open to sessions, with growing pauses if it keeps dying young.

        One that retires goes on with the sessions it has, beside its successor.
        """
        loop = asyncio.get_running_loop()
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping:
            born = loop.time()
            worker = await WorkerProcess.start(name, self._module, self._environment)
            self._workers.append(worker)
            life = asyncio.create_task(self._live(worker), name=f"{name}-{worker.pid}")
            self._lives.add(life)
            life.add_done_callback(self._lives.discard)
            if self._stopping:
                worker.stop()
            await worker.closed.wait()
            if worker.retiring:
                continue
            if not worker.was_ready:
                self._failure = worker.failure or "A worker died while it was loading."
                self._stillborn.set()
            if loop.time() - born > STEADY_S:
                backoff_s = FIRST_BACKOFF_S
            if not self._stopping:
                log.warning("worker_restarting", worker=name, after_s=backoff_s)
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)

    async def _live(self, worker: WorkerProcess) -> None:
        try:
            await worker.run(self._reports.put, self._note_ready)
        finally:
            self._workers.remove(worker)
            worker.closed.set()
