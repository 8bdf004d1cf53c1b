"""Hears when the user speaks, pauses, goes on and is done."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from visavis.media import INPUT_RATE, TICK_MS, AudioChunk, Pcm, now_us
from visavis.models.end_of_turn import WINDOW_SAMPLES, EndOfTurnModel
from visavis.models.vad import VAD_FRAME, VoiceActivity

FRAME_MS = VAD_FRAME * 1000 // INPUT_RATE
START_FRAMES = 3
"""Voice needed to open an utterance (96 ms): a click is shorter."""
BARGE_IN_FRAMES = 7
"""The same while the agent speaks (224 ms): a cough or an "mm" is shorter."""
PAUSE_FRAMES = 4
"""Silence (128 ms) after which a transcript is worth making."""
SETTLED_FRAMES = 7
"""Silence (224 ms) after which the end-of-turn model is asked."""
MAX_SILENCE_MS = 1200
"""Silence that ends a turn whatever the model thinks, where the agent does not say."""
RESUME_FRAMES = 2
MAX_UTTERANCE_FRAMES = 30_000 // FRAME_MS
PREROLL_CHUNKS = 25
"""Half a second of sound from before the utterance was noticed."""

_VOICED = 0.5
_SILENT = 0.35
_COMPLETE = 0.5


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    audio: tuple[AudioChunk, ...]
    """What was heard so far, beginning shortly before the first voice."""


@dataclass(frozen=True, slots=True)
class UtteranceAudio:
    chunk: AudioChunk


@dataclass(frozen=True, slots=True)
class UtterancePaused:
    last_voiced_us: int
    """When the user's last voice sounded; VAD is sure of that to about 30 ms."""
    at_us: int
    """When the pause was noticed."""


@dataclass(frozen=True, slots=True)
class UtteranceResumed:
    pass


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    last_voiced_us: int
    at_us: int


UtteranceEvent = (
    UtteranceStarted | UtteranceAudio | UtterancePaused | UtteranceResumed | UtteranceEnded
)


class Signal(Enum):
    STARTED = auto()
    PAUSED = auto()
    SETTLED = auto()
    RESUMED = auto()
    TIMED_OUT = auto()


class PauseDetector:
    """Turns voice probabilities, one per 32 ms, into signals; knows neither sound nor clocks."""

    def __init__(self, max_silence_ms: int = MAX_SILENCE_MS) -> None:
        self.start_frames = START_FRAMES
        self._give_up_frames = math.ceil(max_silence_ms / FRAME_MS)
        self._speaking = False
        self._reset()

    @property
    def paused(self) -> bool:
        return self._silence >= PAUSE_FRAMES

    def push(self, probability: float) -> Signal | None:
        return self._within(probability) if self._speaking else self._before(probability)

    def end(self) -> None:
        """The utterance is over; wait for the next one."""
        self._speaking = False
        self._reset()

    def _reset(self) -> None:
        self._length = 0
        self._voice = 0
        self._silence = 0

    def _before(self, probability: float) -> Signal | None:
        if probability >= _VOICED:
            self._voice += 1
        elif probability < _SILENT:
            self._voice = 0
        if self._voice < self.start_frames:
            return None
        self._reset()
        self._speaking = True
        return Signal.STARTED

    def _within(self, probability: float) -> Signal | None:
        self._length += 1
        was_paused = self.paused
        if probability >= (_VOICED if was_paused else _SILENT):
            self._voice += 1
            if not was_paused or self._voice >= RESUME_FRAMES:
                self._silence = 0
        else:
            self._voice = 0
            self._silence += 1
        if self._silence >= self._give_up_frames or self._length >= MAX_UTTERANCE_FRAMES:
            return Signal.TIMED_OUT
        if was_paused and not self.paused:
            return Signal.RESUMED
        quiet = probability < _SILENT
        if quiet and self._silence == PAUSE_FRAMES:
            return Signal.PAUSED
        return Signal.SETTLED if quiet and self._silence == SETTLED_FRAMES else None


class Listener:
    """One session's ear."""

    def __init__(
        self,
        voice: VoiceActivity,
        end_of_turn: EndOfTurnModel,
        *,
        max_silence_ms: int = MAX_SILENCE_MS,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._clock = clock
        self._voice = voice
        self._end_of_turn = end_of_turn
        self._detector = PauseDetector(max_silence_ms)
        self._preroll: deque[AudioChunk] = deque(maxlen=PREROLL_CHUNKS)
        self._recent: deque[Pcm] = deque(maxlen=WINDOW_SAMPLES * 1000 // INPUT_RATE // TICK_MS)
        self._samples: Pcm = np.zeros(0, np.int16)
        self._open = False
        self._last_voiced_us = 0
        self._verdict: asyncio.Future[float] | None = None

    def guard(self, agent_speaks: bool) -> None:
        """While the agent speaks, it takes a longer stretch of voice to open an utterance."""
        self._detector.start_frames = BARGE_IN_FRAMES if agent_speaks else START_FRAMES

    async def utterances(self, audio: AsyncIterator[AudioChunk]) -> AsyncIterator[UtteranceEvent]:
        """What the user does, as it happens; ends with ``audio``."""
        async for chunk in audio:
            for event in self._hear(chunk):
                yield event

    def _hear(self, chunk: AudioChunk) -> Iterator[UtteranceEvent]:
        if self._open:
            self._recent.append(chunk.pcm)
            yield UtteranceAudio(chunk)
        else:
            self._preroll.append(chunk)
        self._samples = np.concatenate((self._samples, chunk.pcm))
        while len(self._samples) >= VAD_FRAME:
            frame, self._samples = self._samples[:VAD_FRAME], self._samples[VAD_FRAME:]
            probability = self._voice.probability(frame)
            if probability >= _VOICED:
                self._last_voiced_us = chunk.capture_us + TICK_MS * 1000
            if signal := self._detector.push(probability):
                yield from self._act(signal)
        verdict = self._verdict
        if verdict and verdict.done() and verdict.result() > _COMPLETE:
            yield self._end()

    def _act(self, signal: Signal) -> Iterator[UtteranceEvent]:
        match signal:
            case Signal.STARTED:
                self._open = True
                self._recent.extend(chunk.pcm for chunk in self._preroll)
                yield UtteranceStarted(tuple(self._preroll))
            case Signal.PAUSED:
                yield self._paused()
            case Signal.SETTLED:
                self._ask()
            case Signal.RESUMED:
                self._verdict = None
                yield UtteranceResumed()
            case Signal.TIMED_OUT:
                if not self._detector.paused:
                    yield self._paused()
                yield self._end()

    def _paused(self) -> UtterancePaused:
        return UtterancePaused(self._last_voiced_us, self._clock())

    def _ask(self) -> None:
        pcm = np.concatenate(self._recent)
        loop = asyncio.get_running_loop()
        self._verdict = loop.run_in_executor(None, self._end_of_turn.probability, pcm)

    def _end(self) -> UtteranceEnded:
        self._open = False
        self._verdict = None
        self._recent.clear()
        self._preroll.clear()
        self._detector.end()
        return UtteranceEnded(self._last_voiced_us, self._clock())
