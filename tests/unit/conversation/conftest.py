"""Parts around the playout that record what they are asked for, and scripted models."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.unit.conversation.talking import Talk
from visavis.avatar.base import Playhead
from visavis.conversation.playout import TICK_US, Playout, PlayoutEvent
from visavis.media import (
    I420,
    OUTPUT_RATE,
    EncodedVideo,
    SpeechChunk,
    TurnSpeech,
    WordTime,
)
from visavis.providers.base import Flush, TextDelta, ToolCall, Transcript
from visavis.testing import MemoryRoom

WORD_S = 0.1


@dataclass
class FakeAvatar:
    size: tuple[int, int] = (32, 32)
    pushed: list[TurnSpeech] = field(default_factory=list)
    cleared: list[int] = field(default_factory=list)
    felt: list[tuple[str, float]] = field(default_factory=list)
    frames: list[Playhead] = field(default_factory=list)

    def push_speech(self, speech: TurnSpeech) -> None:
        self.pushed.append(speech)

    def clear(self, turn_id: int) -> None:
        self.cleared.append(turn_id)

    def feel(self, emotion: str, intensity: float) -> None:
        self.felt.append((emotion, intensity))

    def frame(self, at: Playhead, out: I420) -> None:
        self.frames.append(at)


@dataclass
class FakeEncoder:
    encoded: list[tuple[int, bool]] = field(default_factory=list)
    bitrates: list[int] = field(default_factory=list)

    def encode(self, frame: I420, pts: int, *, keyframe: bool) -> EncodedVideo:
        self.encoded.append((pts, keyframe))
        return EncodedVideo(b"", keyframe, frame.width, frame.height)

    def set_bitrate(self, bps: int) -> None:
        self.bitrates.append(bps)


@dataclass
class Stage:
    """A playout whose clock the test turns by hand."""

    room: MemoryRoom = field(default_factory=MemoryRoom)
    avatar: FakeAvatar = field(default_factory=FakeAvatar)
    encoder: FakeEncoder = field(default_factory=FakeEncoder)
    events: list[PlayoutEvent] = field(default_factory=list)
    report: Callable[[PlayoutEvent], None] | None = None
    now: int = 1_000_000

    def __post_init__(self) -> None:
        self.playout = Playout(
            self.room, self.avatar, self.encoder, self._report, clock=lambda: self.now
        )

    def _report(self, event: PlayoutEvent) -> None:
        self.events.append(event)
        if self.report:
            self.report(event)

    def tick(self, times: int = 1, *, draw: bool = True) -> None:
        for _ in range(times):
            self.playout.tick(self.now)
            if draw:
                self.playout.video.draw_due()
            self.now += TICK_US

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate([tick.pcm for tick in self.room.heard])


@pytest.fixture
async def stage() -> Stage:
    return Stage()


def tone(seconds: float, amplitude: int = 8000) -> np.ndarray:
    """A rising ramp of distinct samples would clip; a slow tone shows every cut and repeat."""
    t = np.arange(round(seconds * OUTPUT_RATE)) / OUTPUT_RATE
    return (amplitude * np.sin(2 * np.pi * 110 * t)).astype(np.int16)


@pytest.fixture
def speech() -> Callable[..., TurnSpeech]:
    """Make speech: ``speech(turn_id, start_s, seconds, "some words")``."""

    def make(turn_id: int, start_s: float, seconds: float, text: str = "") -> TurnSpeech:
        words = text.split()
        each = seconds / max(1, len(words))
        times = tuple(WordTime(w, i * each, (i + 1) * each) for i, w in enumerate(words))
        chunk = SpeechChunk(tone(seconds), OUTPUT_RATE, text, times)
        return TurnSpeech(turn_id, start_s, chunk)

    return make


@dataclass
class Stt:
    """Answers each ``Flush`` with the next text; an exception among them is raised."""

    texts: list = field(default_factory=list)
    flushes: int = 0

    async def stream(self, audio, *, language):
        async for item in audio:
            if isinstance(item, Flush):
                self.flushes += 1
                text = self.texts.pop(0)
                if isinstance(text, asyncio.Event):
                    await text.wait()
                    text = self.texts.pop(0)
                if isinstance(text, Exception):
                    raise text
                yield Transcript(text, final=True)


@dataclass
class Llm:
    """Replies what ``answer`` says to the last message, in one delta per word.

    An answer may also be a list of texts and tool calls.
    """

    answer: Callable[[str], object] = lambda text: f"You said: {text}"
    asked: list = field(default_factory=list)
    prefilled: list = field(default_factory=list)
    messages: list = field(default_factory=list)
    offered: list = field(default_factory=list)
    open: int = 0

    async def reply(self, messages, tools=(), *, may_call=True):
        self.asked.append([(m.role, m.content) for m in messages])
        self.messages.append(list(messages))
        self.offered.append([tool.name for tool in tools] if may_call else None)
        answer = self.answer(messages[-1].content)
        if isinstance(answer, Exception):
            raise answer
        self.open += 1
        try:
            for piece in answer if isinstance(answer, list) else [answer]:
                if isinstance(piece, ToolCall):
                    yield piece
                    continue
                for word in piece.split(" "):
                    await asyncio.sleep(0)
                    yield TextDelta(word + " ")
        finally:
            self.open -= 1

    async def prefill(self, messages, tools=()):
        self.prefilled.append([(m.role, m.content) for m in messages])


@dataclass
class Tts:
    """Every word is 100 ms of tone."""

    spoken: list = field(default_factory=list)
    failure: Exception | None = None

    async def speak(self, text, *, voice):
        async for clause in text:
            if self.failure:
                raise self.failure
            self.spoken.append(clause)
            samples = round(24_000 * WORD_S * len(clause.split()))
            tone = 8000 * np.sin(2 * np.pi * 200 * np.arange(samples) / 24_000)
            yield SpeechChunk(tone.astype(np.int16), 24_000, clause)


@dataclass
class Scripted:
    Stt = Stt
    Llm = Llm
    Tts = Tts


@pytest.fixture
def scripted() -> Scripted:
    """Models that do what a test tells them to, without time passing."""
    return Scripted()


@pytest.fixture
async def talk(stage, scripted):
    try:
        async with asyncio.TaskGroup() as tasks:
            yield Talk(stage, scripted, tasks)
            raise asyncio.CancelledError
    except asyncio.CancelledError:
        pass
