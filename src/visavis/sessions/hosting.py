"""What a worker does: hosts sessions, each in its own task, and reports to the server."""

import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from visavis.conversation.commands import Inbox, InboxFull
from visavis.conversation.spec import SessionSpec
from visavis.events import (
    EndReason,
    EventRecord,
    SessionEnded,
    SessionError,
    SessionEvent,
)
from visavis.rooms.base import IceCandidate, RoomError, WebRtcRoom
from visavis.sessions.control import (
    AddCandidates,
    Channel,
    ChannelClosed,
    Drain,
    EndSession,
    Event,
    Finished,
    Heartbeat,
    MessageTooLong,
    OpenRoom,
    Ready,
    Renegotiate,
    Reply,
    Request,
    Retiring,
    Stop,
    Tell,
    ToWorker,
)

HEARTBEAT_S = 1.0
END_S = 3.0
"""How long a room may take to close."""
GIVE_UP_S = 6.0
"""How long a session that was told to end may go on before its seat is taken from it."""

log = structlog.stdlib.get_logger("visavis.worker")

Emit = Callable[[SessionEvent], None]
OpenRoomFn = Callable[[SessionSpec], WebRtcRoom]
ConverseFn = Callable[[SessionSpec, WebRtcRoom, Emit, Inbox], Awaitable[EndReason]]


@dataclass(frozen=True, slots=True)
class Hosting:
    """What a worker does for a session: open its room, and hold the conversation."""

    open_room: OpenRoomFn
    converse: ConverseFn


@dataclass(slots=True)
class Hosted:
    """A session on this worker."""

    spec: SessionSpec
    room: WebRtcRoom
    next_seq: int
    inbox: Inbox = field(default_factory=Inbox)
    task: asyncio.Task[None] | None = None
    asked_to_end: EndReason | None = None
    finished: bool = False
    """Its end was reported: nothing more is heard of it."""


class Worker:
    """Obeys the control channel until it closes, is stopped, or has drained."""

    def __init__(self, channel: Channel[ToWorker], hosting: Hosting) -> None:
        self._channel = channel
        self._hosting = hosting
        self._sessions: dict[str, Hosted] = {}
        self._opening: set[str] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._draining = False
        self._stuck = False
        self._leaving = asyncio.Event()

    async def run(self) -> None:
        """Serve until told to leave; every session that can end is over when this returns."""
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._beat()),
                group.create_task(self._listen(group)),
            ]
            self._channel.send(Ready(pid=os.getpid()))
            await self._leaving.wait()
            await self._end_all()
            for task in background:
                task.cancel()

    @property
    def stuck(self) -> bool:
        """Whether a session goes on that was told to end: only the process's end can end it."""
        return self._stuck or bool(self._sessions)

    def leave(self) -> None:
        """End all sessions and return from ``run``."""
        self._leaving.set()

    async def _listen(self, group: asyncio.TaskGroup) -> None:
        async for message in self._channel.messages():
            self._obey(message, group)
        self.leave()

    def _obey(self, message: ToWorker, group: asyncio.TaskGroup) -> None:
        match message:
            case Stop():
                self.leave()
            case Drain():
                self._draining = True
                self._leave_if_drained()
            case EndSession(session_id=session_id, reason=reason):
                self._end(session_id, reason)
            case OpenRoom() | Renegotiate() | AddCandidates() | Tell():
                group.create_task(self._answer(message))

    async def _answer(self, request: Request) -> None:
        reply = Reply(request_id=request.request_id)
        try:
            reply.sdp = await self._serve(request)
        except RoomError as error:
            reply.code, reply.message = error.code, error.message
        except Exception:
            log.exception("request_failed", request=request.type)
            reply.code, reply.message = "internal", "The worker failed on this request."
        self._send(reply)

    async def _serve(self, request: Request) -> str:
        if isinstance(request, OpenRoom):
            return await self._open(request)
        hosted = self._sessions.get(request.session_id)
        if hosted is None:
            raise RoomError("session_ended", "This session has ended.")
        if isinstance(request, Renegotiate):
            return await hosted.room.answer(request.sdp)
        if isinstance(request, Tell):
            return _tell(hosted, request)
        for c in request.candidates:
            await hosted.room.add_candidate(IceCandidate(c.candidate, c.sdp_mid, c.sdp_mline_index))
        return ""

    async def _open(self, request: OpenRoom) -> str:
        if self._draining:
            raise RoomError("no_worker", "This worker takes no more sessions.")
        session_id = request.spec.session_id
        room = self._hosting.open_room(request.spec)
        self._opening.add(session_id)
        try:
            sdp = await room.answer(request.sdp)
            if session_id not in self._opening:
                raise RoomError("session_ended", "This session has ended.")
        except BaseException:
            await room.close()
            raise
        finally:
            self._opening.discard(session_id)
        hosted = Hosted(request.spec, room, request.first_seq)
        self._sessions[request.spec.session_id] = hosted
        # Not in the task group: a session that never ends must not keep the worker from leaving.
        hosted.task = asyncio.create_task(self._host(hosted))
        # A session's parts refer to each other, and hold megabytes that the collector does not
        # see: without this, it would let dozens of dead sessions pile up. Takes about 1 ms.
        hosted.task.add_done_callback(lambda _: gc.collect())
        return sdp

    async def _host(self, hosted: Hosted) -> None:
        """One session from its answer to its end; whatever happens in it stays in it."""
        session_id = hosted.spec.session_id
        structlog.contextvars.bind_contextvars(session_id=session_id)
        reason = EndReason.ERROR
        try:
            emit = self._emitter(hosted)
            reason = await self._hosting.converse(hosted.spec, hosted.room, emit, hosted.inbox)
        except asyncio.CancelledError:
            if hosted.asked_to_end is None:
                raise
        except Exception:
            log.exception("session_crashed")
            self._emit(hosted, SessionError("internal", "The session failed.", fatal=True))
        finally:
            await self._release(hosted)
            self._finish(hosted, reason)

    def _finish(self, hosted: Hosted, reason: EndReason) -> None:
        if hosted.finished:
            return
        hosted.finished = True
        session_id = hosted.spec.session_id
        self._sessions.pop(session_id, None)
        self._send(Finished(session_id=session_id, reason=hosted.asked_to_end or reason))
        self._leave_if_drained()

    async def _release(self, hosted: Hosted) -> None:
        try:
            async with asyncio.timeout(END_S):
                await hosted.room.close()
        except Exception:
            log.exception("room_close_failed")

    def _emitter(self, hosted: Hosted) -> Emit:
        return lambda event: self._emit(hosted, event)

    def _emit(self, hosted: Hosted, event: SessionEvent) -> None:
        # The server writes the end, after everything else.
        if isinstance(event, SessionEnded) or hosted.finished:
            return
        record = EventRecord(
            session_id=hosted.spec.session_id,
            seq=hosted.next_seq,
            at_ms=time.time_ns() // 1_000_000,
            event=event,
        )
        hosted.next_seq += 1
        self._send(Event(record=record))

    def _send(self, message: Event | Finished | Reply | Retiring | Heartbeat) -> None:
        try:
            self._channel.send(message)
        except ChannelClosed:
            log.warning("server_gone", unsent=message.type)
        except MessageTooLong as error:  # better without this event than without this worker
            log.error("message_too_long", unsent=message.type, size=str(error))

    def _leave_if_drained(self) -> None:
        if self._draining and not self._sessions:
            self.leave()

    def _end(self, session_id: str, reason: EndReason) -> None:
        hosted = self._sessions.get(session_id)
        if hosted is None:  # its room is not open yet, and never will be
            self._opening.discard(session_id)
            self._send(Finished(session_id=session_id, reason=reason))
        elif hosted.task is not None and hosted.asked_to_end is None:
            hosted.asked_to_end = reason
            # Not at once: a task cancelled before its first step would skip its own clean-up.
            loop = asyncio.get_running_loop()
            loop.call_soon(hosted.task.cancel)
            loop.call_later(GIVE_UP_S, self._give_up, hosted)

    def _give_up(self, hosted: Hosted) -> None:
        """A session that will not end loses its seat, and the worker retires to be rid of it."""
        if hosted.finished:
            return
        log.error("session_stuck", session_id=hosted.spec.session_id)
        self._draining = self._stuck = True
        self._send(Retiring())
        closing = asyncio.create_task(self._release(hosted))  # the user need not wait, too
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._finish(hosted, EndReason.ERROR)

    async def _end_all(self) -> None:
        tasks = [hosted.task for hosted in self._sessions.values() if hosted.task]
        for session_id in list(self._sessions):
            self._end(session_id, EndReason.SERVER_STOPPED)
        if tasks:
            await asyncio.wait(tasks, timeout=GIVE_UP_S)

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + HEARTBEAT_S
            await asyncio.sleep(HEARTBEAT_S)
            lag_ms = (loop.time() - due) * 1000
            self._send(Heartbeat(sessions=len(self._sessions), loop_lag_ms=round(lag_ms, 1)))


def _tell(hosted: Hosted, request: Tell) -> str:
    try:
        hosted.inbox.put(request.command)
    except InboxFull:
        raise RoomError("too_many_commands", "Too many commands wait already.") from None
    return ""
