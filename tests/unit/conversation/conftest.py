"""Parts around the playout that record what they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from visavis.avatar.base import Playhead
from visavis.conversation.playout import TICK_US, Playout, PlayoutEvent
from visavis.media import (
    I420,
    OUTPUT_RATE,
    OUTPUT_TICK,
    EncodedVideo,
    SpeechChunk,
    TurnSpeech,
    WordTime,
)
from visavis.testing import MemoryRoom


@dataclass
class FakeAvatar:
    size: tuple[int, int] = (32, 32)
    pushed: list[TurnSpeech] = field(default_factory=list)
    cleared: list[int] = field(default_factory=list)
    frames: list[Playhead] = field(default_factory=list)

    def push_speech(self, speech: TurnSpeech) -> None:
        self.pushed.append(speech)

    def clear(self, turn_id: int) -> None:
        self.cleared.append(turn_id)

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


__all__ = ["OUTPUT_TICK", "Stage"]
