"""The bridge: an ``Avatar`` whose pictures come from a backend, with the puppet behind it.

The puppet hears everything too, so that it can take over in the middle of a word. It draws only
where the backend does not: until its first frame is there, and for good once it has failed.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable

import cv2
import numpy as np
import structlog

from visavis.avatar.backends.base import (
    AudioPiece,
    Backend,
    BackendError,
    Control,
    Frame,
    Stream,
    within,
)
from visavis.avatar.backends.frames import FrameStore, place
from visavis.avatar.backends.health import Delivery
from visavis.avatar.backends.resampler import Resampler
from visavis.avatar.badge import badge
from visavis.avatar.base import Avatar, Phase, Playhead
from visavis.media import I420, Emotion, TurnSpeech

_JOBS = 256
"""Speech, barge-ins and moods that may wait for the backend to take them."""
_FADE_FRAMES = 5
"""How long one face dissolves into the other: 200 ms."""

log = structlog.stdlib.get_logger("visavis.avatar")

_Job = Callable[[Stream], Awaitable[None]]


class BackendAvatar:
    """An ``Avatar`` and a ``RemoteAvatar``. ``puppet`` has the size of the picture.

    ``marked``: put the AI badge on the backend's pictures, where the puppet has it, too.
    """

    def __init__(
        self, backend: Backend, character_id: str, puppet: Avatar, *, marked: bool = False
    ) -> None:
        self._backend = backend
        self._character_id = character_id
        self._puppet = puppet
        self._badge = badge(puppet.size) if marked else None
        self._store = FrameStore()
        self._delivery = Delivery()
        self._failed: BackendError | None = None
        self._live = threading.Event()
        self._open = False
        self._missed = -1
        """The last turn that began before the backend was there: it is the puppet's to the end."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(_JOBS)
        self._over = asyncio.Event()
        self._resampler = Resampler()
        self._phase = Phase.IDLE
        self._last: Frame | None = None
        self._blend = _Dissolve(puppet.size)

    @property
    def size(self) -> tuple[int, int]:
        return self._puppet.size

    @property
    def failed(self) -> BackendError | None:
        """Why the puppet has taken over; None while it has not."""
        return self._failed

    # -- what comes from the session, on the event loop

    def push_speech(self, speech: TurnSpeech) -> None:
        self._puppet.push_speech(speech)
        if not self._open:
            self._missed = speech.turn_id
        elif self._failed is None and speech.turn_id > self._missed:
            self._ask(lambda stream: self._push(stream, speech))

    def end_of_speech(self, turn_id: int) -> None:
        if self._open and self._failed is None:
            self._ask(lambda stream: self._end(stream, turn_id))

    def clear(self, turn_id: int) -> None:
        self._puppet.clear(turn_id)
        self._store.clear(turn_id)
        if self._open and self._failed is None:
            self._ask(lambda stream: within("clear", stream.clear(turn_id)))

    def feel(self, emotion: Emotion, intensity: float) -> None:
        self._puppet.feel(emotion, intensity)
        self._control(Control(emotion=emotion, intensity=intensity))

    def ready(self, turn_id: int) -> bool:
        if self._failed is not None or not self._live.is_set() or turn_id <= self._missed:
            return True  # the puppet is
        return self._store.has_begun(turn_id)

    async def run(self, report: Callable[[BackendError], None]) -> None:
        """Open the backend and work for it until cancelled, or until it has failed."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._work()
        except BackendError as error:
            self._give_up(error)
        except Exception as error:  # noqa: BLE001  an adapter's fault must not end the call
            self._give_up(BackendError("worker", f"{type(error).__name__}: {error}"))
        if self._failed is not None:
            log.warning(
                "puppet_took_over",
                face=self._backend.name,
                code=self._failed.code,
                reason=self._failed.message,
            )
            report(self._failed)

    async def _work(self) -> None:
        available = await self._backend.probe()
        if not available.ok:
            raise BackendError("not_available", available.reason)
        await within("prepare", self._backend.prepare(self._character_id))
        stream = await within("open", self._backend.open(self._character_id, self.size))
        self._open = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(stream))
                tasks.create_task(self._send(stream))
                await self._over.wait()
                assert self._failed is not None
                raise self._failed
        except* BackendError as group:
            raise _first(group) from None
        finally:
            with contextlib.suppress(BackendError):
                await within("close", stream.close())

    async def _send(self, stream: Stream) -> None:
        while True:
            job = await self._jobs.get()
            await job(stream)

    async def _receive(self, stream: Stream) -> None:
        async for frame in stream.frames():
            self._store.put(frame)
            self._live.set()
        raise BackendError("lost", "the backend ended its stream")

    async def _push(self, stream: Stream, speech: TurnSpeech) -> None:
        chunk = speech.chunk
        at_s, pcm = self._resampler.convert(speech, stream.caps.sample_rate)
        piece = AudioPiece(speech.turn_id, at_s, pcm, chunk.text, chunk.words, chunk.phonemes)
        await within("push", stream.push_audio(piece))

    async def _end(self, stream: Stream, turn_id: int) -> None:
        await within("push", stream.end_of_speech(turn_id))

    def _ask(self, job: _Job) -> None:
        """On the event loop, in order; a backend that takes nothing any more is given up."""
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            self._give_up(BackendError("slow", f"{_JOBS} things wait to be told to it"))

    def _control(self, wish: Control) -> None:
        """Any thread."""

        def tell(stream: Stream) -> Awaitable[None]:
            return within("push", stream.control(wish))

        if self._open and self._loop is not None and self._failed is None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: the session is over
                self._loop.call_soon_threadsafe(self._ask, tell)

    def _give_up(self, error: BackendError) -> None:
        """Any thread; the next picture is the puppet's."""
        if self._failed is None:
            self._failed = error
            if self._loop is not None:
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._over.set)

    # -- the picture, on a media thread

    def frame(self, at: Playhead, out: I420) -> None:
        if at.phase is not self._phase:
            self._phase = at.phase
            self._control(Control(phase=at.phase))
        theirs = self._theirs(at)
        if theirs is None:
            self._puppet.frame(at, out)
        else:
            place(theirs.picture, out)
            if self._badge is not None:
                self._badge.stamp(out.buffer)
        self._blend(out, theirs=theirs is not None)

    def _theirs(self, at: Playhead) -> Frame | None:
        """The backend's frame for ``at``; None where the puppet has to draw."""
        missed = at.phase is Phase.SPEAKING and at.turn_id <= self._missed
        if self._failed is not None or not self._live.is_set() or missed:
            return None
        if at.position_s is None:
            self._delivery.rest()
            self._last = self._store.idle() or self._last
        else:
            self._judge(at, at.position_s)
        return self._last if self._failed is None else None

    def _judge(self, at: Playhead, position_s: float) -> None:
        """Take the frame for this position, if it has come, and see how the backend keeps up."""
        frame = self._store.take(at.turn_id, position_s)
        fresh = frame is not None and frame is not self._last
        if frame is not None:
            self._last = frame
        reason = self._delivery.note(at.capture_us, fresh=fresh)
        if reason is not None:
            self._give_up(BackendError("slow", reason))


class _Dissolve:
    """Softens the change from one face to the other, whichever way."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._before = I420.empty(*size)
        self._theirs: bool | None = None
        self._left = 0

    def __call__(self, out: I420, *, theirs: bool) -> None:
        if self._theirs is not None and theirs is not self._theirs:
            self._left = _FADE_FRAMES
        self._theirs = theirs
        if self._left:
            share = self._left / (_FADE_FRAMES + 1)
            cv2.addWeighted(self._before.buffer, share, out.buffer, 1 - share, 0, out.buffer)
            self._left -= 1
        else:
            np.copyto(self._before.buffer, out.buffer)


def _first(group: BaseExceptionGroup[BackendError]) -> BackendError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, BackendError)
    return error
