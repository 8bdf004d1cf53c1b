"""The server's side of one worker: a child process and its control channel, from birth to death."""

import asyncio
import itertools
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping

import structlog

from visavis.events import EndReason
from visavis.sessions.control import (
    FROM_WORKER,
    Channel,
    ChannelClosed,
    EndSession,
    Event,
    Failed,
    Finished,
    FromWorker,
    Heartbeat,
    MessageTooLong,
    OpenRoom,
    Ready,
    Reply,
    Request,
    Retiring,
    Stop,
    open_channel,
)
from visavis.sessions.placement import PlacementError, Report

START_S = 120.0
"""Loading models and compiling the renderer may take this long on a slow machine."""
SILENCE_S = 5.0
"""A worker that has not been heard for this long is dead to us."""
REQUEST_S = 15.0
STOP_S = 8.0

ONE_THREAD = {
    # A worker's CPU time belongs to its media threads; a pool per library would fight them.
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    )
}

log = structlog.stdlib.get_logger("visavis.placement")


class WorkerProcess:
    """Spawned by ``start``; serves while ``run`` runs."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, channel: Channel[FromWorker]
    ) -> None:
        self.name = name
        self.sessions: set[str] = set()
        self.ready = False
        self.was_ready = False
        self.retiring = False
        self.closed = asyncio.Event()
        """It takes nobody new any more, and needs a successor."""
        self.failure = ""
        self._process = process
        self._channel = channel
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._ids = itertools.count(1)

    @classmethod
    async def start(cls, name: str, module: str, environment: Mapping[str, str]) -> "WorkerProcess":
        """Run ``python -m module --control-fd N``, in a process group of its own."""
        ours, theirs = socket.socketpair()
        with theirs:
            arguments = ["-m", "visavis.sessions.leash", module]
            arguments += ["--control-fd", str(theirs.fileno())]
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, **ONE_THREAD, **environment},
                start_new_session=True,
            )
        return cls(name, process, await open_channel(ours, FROM_WORKER))

    @property
    def open_to_sessions(self) -> bool:
        return self.ready and not self.retiring

    @property
    def pid(self) -> int:
        return self._process.pid

    async def run(
        self, report: Callable[[Report], Awaitable[None]], on_ready: Callable[[], None]
    ) -> None:
        """Pass on what the sessions tell until the worker is dead and buried.

        Sessions that die with it are reported as ``Finished(WORKER_LOST)``.
        """
        try:
            while True:
                message = await self._next()
                if isinstance(message, Ready):
                    self.ready = self.was_ready = True
                    on_ready()
                else:
                    await self._take(message, report)
        except ChannelClosed as error:
            log.info("worker_gone", worker=self.name, pid=self.pid, why=str(error))
            await self._exited(STOP_S)
        except TimeoutError:
            log.error("worker_silent", worker=self.name, pid=self.pid)
        finally:
            self.ready = False
            await asyncio.shield(self._bury())
        for session_id in sorted(self.sessions):
            await report(Finished(session_id=session_id, reason=EndReason.WORKER_LOST))
        self.sessions.clear()

    async def _take(self, message: FromWorker, report: Callable[[Report], Awaitable[None]]) -> None:
        match message:
            case Ready() | Heartbeat():
                pass
            case Retiring():
                self.retiring = True
                self.closed.set()
                log.error("worker_retiring", worker=self.name, pid=self.pid)
            case Failed():
                self.failure = message.message
            case Reply():
                self._settle(message)
            case Event(record=record):
                await report(record)
            case Finished(session_id=session_id):
                self.sessions.discard(session_id)
                await report(message)

    async def open(self, request: OpenRoom) -> str:
        session_id = request.spec.session_id
        self.sessions.add(session_id)
        try:
            return await self.request(request)
        except PlacementError as error:
            if error.code == "worker_timeout":  # it may yet come to be
                self.end(session_id, EndReason.ERROR)
            elif error.code != "worker_lost":  # a lost worker reports its own losses
                self.sessions.discard(session_id)
            raise

    async def request(self, request: Request) -> str:
        """Ask and wait for the answer. Raises ``PlacementError``."""
        request.request_id = next(self._ids)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[request.request_id] = reply
        try:
            self._channel.send(request)
            async with asyncio.timeout(REQUEST_S):
                answer = await reply
        except TimeoutError:
            raise PlacementError("worker_timeout", "The worker did not answer in time.") from None
        except ChannelClosed:
            raise PlacementError("worker_lost", "The worker is gone.") from None
        except MessageTooLong:
            detail = "Prompt and tools of this agent are more than a worker takes."
            raise PlacementError("agent_too_large", detail) from None
        finally:
            del self._replies[request.request_id]
        if answer.code is not None:
            raise PlacementError(answer.code, answer.message)
        return answer.sdp

    def end(self, session_id: str, reason: EndReason) -> None:
        """Ask for a session's end; a dead worker has already reported it."""
        try:
            self._channel.send(EndSession(session_id=session_id, reason=reason))
        except ChannelClosed:
            log.info("end_unsent", worker=self.name, session_id=session_id)

    def stop(self) -> None:
        """Ask the worker to end its sessions and leave; ``run`` then returns."""
        if not self.ready:  # still loading, and deaf to the channel
            self._process.send_signal(signal.SIGTERM)
            return
        try:
            self._channel.send(Stop())
        except ChannelClosed:
            log.info("stop_unsent", worker=self.name)

    async def _next(self) -> FromWorker:
        """The next message, in two halves, so that a stall of our own loop kills nobody."""
        allowed = SILENCE_S if self.ready else START_S
        try:
            async with asyncio.timeout(allowed / 2):
                return await self._channel.receive()
        except TimeoutError:
            async with asyncio.timeout(allowed / 2):
                return await self._channel.receive()

    def _settle(self, reply: Reply) -> None:
        waiting = self._replies.get(reply.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    async def _exited(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    async def _bury(self) -> None:
        """Kill what is left of the worker's process group, reap it, and answer its askers."""
        if self._process.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()
        await self._channel.close()
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(ChannelClosed("the worker is gone"))
