"""The contract for faces that are drawn elsewhere: another process, an SDK, a service.

Its shape is that of LiveKit's ``VideoGenerator`` (push audio, clear, iterate frames), so that
either can be adapted to the other. All of it belongs to the event loop. Every call may take
``TIMEOUTS`` at most; who calls enforces that with ``within``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, runtime_checkable

from visavis.avatar.base import Phase
from visavis.media import FPS, I420, Emotion, Pcm, PhonemeTime, WordTime

T = TypeVar("T")

TIMEOUTS = {"probe": 20.0, "prepare": 120.0, "open": 60.0, "push": 2.0, "clear": 1.0, "close": 2.0}
"""Seconds that a call may take. ``prepare`` and ``open`` may load weights."""


class BackendError(Exception):
    """A backend cannot go on. ``code`` is stable: ``not_available``, ``timeout``, ``version``,
    ``protocol``, ``lost``, ``refused``, ``slow``, ``worker``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Caps:
    """What a backend can do, as far as is known before it is opened."""

    fps: int = FPS
    sizes: tuple[tuple[int, int], ...] = ()
    """(width, height) that it draws; empty: whatever is asked for."""
    sample_rate: int = 16_000
    """Of the sound that it wants, Hz, mono s16."""
    lookahead_ms: int = 0
    """How much sound after a frame it must hear before it can draw that frame."""
    batch: int = 1
    """How many frames it draws at a time."""
    alpha: bool = False
    emotions: bool = False
    pace: Literal["real_time", "faster"] = "faster"
    """"real_time": frames come no sooner than they are due."""
    own_audio: bool = False
    """It sends sound of its own along; ours is the one that is played."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a backend can be used here, in plain words. ``missing``: what is not there
    (``package bithuman``, ``key VISAVIS_BITHUMAN_API_SECRET``, ``file /x.imx``)."""

    ok: bool
    reason: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioPiece:
    """Speech of a turn, at ``Caps.sample_rate``, in order. Times are seconds from the start of
    the turn for ``position_s`` and from the start of the piece for words and phonemes."""

    turn_id: int
    position_s: float
    pcm: Pcm = field(repr=False)
    text: str = ""
    words: tuple[WordTime, ...] = ()
    phonemes: tuple[PhonemeTime, ...] = ()


@dataclass(frozen=True, slots=True)
class Control:
    """What the face should be like from now on; None leaves it as it is."""

    phase: Phase | None = None
    emotion: Emotion | None = None
    intensity: float = 1.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture, of any size. ``position_s`` is where on its turn's speech timeline it is seen
    (the audio clock); None: an idle frame, to be seen as soon as it comes."""

    turn_id: int
    position_s: float | None
    picture: I420 = field(repr=False)
    release: Callable[[], None] | None = None
    """To be called once, when the picture is not needed any more; lets the backend go on."""


class Stream(Protocol):
    """One session's face. Raises ``BackendError`` from any call, and from the iteration."""

    @property
    def caps(self) -> Caps:
        """Now known for certain."""
        ...

    async def push_audio(self, piece: AudioPiece) -> None: ...

    async def end_of_speech(self, turn_id: int) -> None:
        """No more sound comes for this turn: draw what is left."""
        ...

    async def control(self, wish: Control) -> None: ...

    async def clear(self, turn_id: int) -> None:
        """Forget ``turn_id`` and older. When this returns, no frame of them will follow."""
        ...

    def frames(self) -> AsyncIterator[Frame]:
        """Idle frames in real time, and speech as soon as it is drawn. One consumer."""
        ...

    async def close(self) -> None:
        """Release everything; idempotent."""
        ...


class Backend(Protocol):
    """A kind of face. Shared by the sessions of a process."""

    @property
    def name(self) -> str: ...

    @property
    def caps(self) -> Caps: ...

    async def probe(self) -> Availability:
        """Whether it could be used, without loading it. Never raises."""
        ...

    async def prepare(self, character_id: str) -> None:
        """Whatever takes long and can be shared: start, load, warm up."""
        ...

    async def open(self, character_id: str, size: tuple[int, int]) -> Stream: ...


@runtime_checkable
class RemoteAvatar(Protocol):
    """What the session and the playout ask of an ``Avatar`` that is drawn elsewhere."""

    def ready(self, turn_id: int) -> bool:
        """Whether the turn's first frame is there. Any thread; never waits."""
        ...

    def end_of_speech(self, turn_id: int) -> None:
        """No more speech will be pushed for this turn. On the event loop."""
        ...

    async def run(self, report: Callable[[BackendError], None]) -> None:
        """Work until cancelled; ``report`` is called once if the puppet had to take over."""
        ...


async def within(
    call: Literal["probe", "prepare", "open", "push", "clear", "close"], work: Awaitable[T]
) -> T:
    """``work``, or ``BackendError("timeout")`` when it takes longer than its call may."""
    try:
        async with asyncio.timeout(TIMEOUTS[call]):
            return await work
    except TimeoutError:
        message = f"{call} took longer than {TIMEOUTS[call]:g} s"
        raise BackendError("timeout", message) from None
