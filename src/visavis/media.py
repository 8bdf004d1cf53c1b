"""The few media types that flow through a session.

Sound towards us is mono s16 at 16 kHz; sound from us is mono s16 at 48 kHz; both come in
20 ms pieces. Video is I420 until it is encoded. Times named ``*_us`` are microseconds of
``time.monotonic_ns() // 1000``: one clock for everything in a worker.
"""

import time
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Emotion = Literal["neutral", "happy", "sad", "surprised", "concerned", "thoughtful"]

Pcm = NDArray[np.int16]
"""Mono signed 16-bit samples, shape (n,)."""

TICK_MS = 20
INPUT_RATE = 16_000
OUTPUT_RATE = 48_000
INPUT_TICK = INPUT_RATE * TICK_MS // 1000
OUTPUT_TICK = OUTPUT_RATE * TICK_MS // 1000
FPS = 25


def video_bps(size: tuple[int, int]) -> int:
    """Bits per second that a talking head of (width, height) pixels is worth: 600 k at 512×512."""
    return round(600_000 * (size[0] * size[1] / 512**2) ** 0.75)


def now_us() -> int:
    """Microseconds on the worker's one monotonic clock."""
    return time.monotonic_ns() // 1000


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """20 ms of what the user says: ``INPUT_TICK`` samples at 16 kHz."""

    pcm: Pcm
    capture_us: int


@dataclass(frozen=True, slots=True)
class EncodedVideo:
    """One VP8 frame, encoded once and shared by room and recorder."""

    data: bytes
    keyframe: bool
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class I420:
    """A reusable picture buffer: ``buffer`` has shape (height * 3 // 2, width), uint8."""

    width: int
    height: int
    buffer: NDArray[np.uint8]

    @classmethod
    def empty(cls, width: int, height: int) -> "I420":
        """A black-to-be-filled picture; both sides must be even."""
        if width % 2 or height % 2:
            raise ValueError(f"I420 needs even sides, got {width}x{height}")
        return cls(width, height, np.zeros((height * 3 // 2, width), np.uint8))

    @property
    def y(self) -> NDArray[np.uint8]:
        return self.buffer[: self.height]

    @property
    def u(self) -> NDArray[np.uint8]:
        quarter = self.width * self.height // 4
        flat = self.buffer[self.height :].reshape(-1)
        return flat[:quarter].reshape(self.height // 2, self.width // 2)

    @property
    def v(self) -> NDArray[np.uint8]:
        quarter = self.width * self.height // 4
        flat = self.buffer[self.height :].reshape(-1)
        return flat[quarter:].reshape(self.height // 2, self.width // 2)


@dataclass(frozen=True, slots=True)
class WordTime:
    """A word and when it sounds, in seconds from the start of its chunk."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class PhonemeTime:
    """An IPA phoneme (misaki notation) and when it sounds, in seconds from its chunk's start."""

    symbol: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class EmotionTime:
    """From here on the face feels so, in seconds from the start of its chunk."""

    emotion: Emotion
    intensity: float
    at_s: float


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """Sound made by a voice, with its times when the voice knows them."""

    pcm: Pcm
    sample_rate: int
    text: str
    words: tuple[WordTime, ...] = ()
    phonemes: tuple[PhonemeTime, ...] = ()
    emotions: tuple[EmotionTime, ...] = ()

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / self.sample_rate


@dataclass(frozen=True, slots=True)
class TurnSpeech:
    """A chunk placed on its turn's speech timeline. ``chunk.sample_rate`` is ``OUTPUT_RATE``."""

    turn_id: int
    start_s: float
    chunk: SpeechChunk = field(repr=False)

    @property
    def end_s(self) -> float:
        return self.start_s + self.chunk.duration_s
