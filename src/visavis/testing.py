"""For tests of agents and of visavis itself: a room without a network."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from visavis.events import EndReason
from visavis.media import INPUT_TICK, TICK_MS, AudioChunk, EncodedVideo, Pcm, now_us
from visavis.rooms.base import KeyFrameRequest, RateUpdate
from visavis.rooms.rtvi import RtviMessage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HeardTick:
    """What the user heard: 20 ms, when it was captured, and when the room got it."""

    pcm: Pcm
    capture_us: int
    at_us: int


@dataclass(eq=False)
class MemoryRoom:
    """Implements ``Room``; the test is the user.

    ``run_microphone`` must run for the user to be heard: it sends what ``say`` queued, and
    silence, 20 ms every 20 ms.
    """

    heard: list[HeardTick] = field(default_factory=list[HeardTick])
    seen: list[tuple[EncodedVideo, int]] = field(default_factory=list[tuple[EncodedVideo, int]])
    posed: list[bytes] = field(default_factory=list[bytes])
    takes_poses: bool = False
    """The user draws the face: their channel for poses is open."""
    told: list[RtviMessage] = field(default_factory=list[RtviMessage])
    closed: bool = False
    _speech: deque[Pcm] = field(default_factory=deque[Pcm])
    _audio: asyncio.Queue[AudioChunk | None] = field(default_factory=lambda: asyncio.Queue(100))
    _messages: asyncio.Queue[RtviMessage | None] = field(default_factory=lambda: asyncio.Queue(100))
    _feedback: asyncio.Queue[KeyFrameRequest | RateUpdate | None] = field(
        default_factory=lambda: asyncio.Queue(100)
    )
    _gone: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    # -- the user's side

    def say(self, pcm: Pcm) -> None:
        """Speak (mono, 16 kHz) after what is still being said."""
        padded = np.pad(pcm, (0, -len(pcm) % INPUT_TICK))
        self._speech.extend(padded.reshape(-1, INPUT_TICK))

    @property
    def talking(self) -> bool:
        return bool(self._speech)

    async def run_microphone(self) -> None:
        """Send sound in real time until cancelled; capture times are those of the samples."""
        silence = np.zeros(INPUT_TICK, np.int16)
        start_us, sent = now_us(), 0
        while True:
            sent += 1
            await asyncio.sleep(max(0, start_us + sent * TICK_MS * 1000 - now_us()) / 1e6)
            pcm = self._speech.popleft() if self._speech else silence
            await self._audio.put(AudioChunk(pcm, start_us + (sent - 1) * TICK_MS * 1000))

    async def until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait until ``condition`` holds, looking whenever the user hears, sees or is told."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def tell(self, message: RtviMessage) -> None:
        self._messages.put_nowait(message)

    def wish(self, feedback: KeyFrameRequest | RateUpdate) -> None:
        self._feedback.put_nowait(feedback)

    def leave(self) -> None:
        self._gone.set()
        for queue in (self._audio, self._messages, self._feedback):
            if not queue.full():
                queue.put_nowait(None)

    # -- the room's side

    async def connect(self) -> None:
        return

    def audio_in(self) -> AsyncIterator[AudioChunk]:
        return _until_none(self._audio)

    def push_audio(self, pcm: Pcm, capture_us: int) -> None:
        self.heard.append(HeardTick(pcm.copy(), capture_us, now_us()))
        self._loop.call_soon_threadsafe(self._news.set)

    def push_video(self, packet: EncodedVideo, capture_us: int) -> None:
        self.seen.append((packet, capture_us))
        self._loop.call_soon_threadsafe(self._news.set)

    def push_pose(self, data: bytes) -> bool:
        if self.takes_poses:
            self.posed.append(data)
        return self.takes_poses

    def feedback(self) -> AsyncIterator[KeyFrameRequest | RateUpdate]:
        return _until_none(self._feedback)

    async def send(self, message: RtviMessage) -> None:
        self.told.append(message)
        self._news.set()

    def messages(self) -> AsyncIterator[RtviMessage]:
        return _until_none(self._messages)

    async def departed(self) -> EndReason:
        await self._gone.wait()
        return EndReason.USER_LEFT

    async def close(self) -> None:
        self.leave()
        self.closed = True


async def _until_none(queue: asyncio.Queue[T | None]) -> AsyncIterator[T]:
    while (item := await queue.get()) is not None:
        yield item
