"""The speech that an avatar is about to say: what the mouth does at a position of its turn."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visavis.avatar.coefficients import vector
from visavis.avatar.visemes import Mouth, Segment, blend, segments
from visavis.media import Pcm, TurnSpeech

_BEHIND_S = 0.5
"""Speech so far behind the playhead no longer shapes the mouth."""
_WINDOW = 2048
"""Samples looked at to hear a mouth shape: 43 ms at 48 kHz."""
_LATE_S = 0.04
"""Loudness rises before lips part: without this the mouth is 50 ms early (measured)."""
_BANDS_HZ = np.array([[120, 450], [450, 1000], [1000, 2600], [3500, 8000]])

_OPEN = vector({"jawOpen": 0.46})
_ROUND = vector({"mouthPucker": 0.5, "mouthFunnel": 0.3})
_WIDE = vector({"mouthStretch": 0.25})
_SHARP = vector({"mouthStretch": 0.2})
_LOUD = vector({"mouthLowerDown": 0.25, "mouthUpperUp": 0.14})


@dataclass(frozen=True, slots=True)
class _Sound:
    """A chunk without phonemes: its samples, and its loudest moment."""

    start_s: float
    end_s: float
    sample_rate: int
    pcm: Pcm = field(repr=False)
    peak: float


class SpeechTrack:
    """One turn's speech, in order. Holds only what the playhead has not left behind."""

    def __init__(self) -> None:
        self._segments: deque[Segment] = deque()
        self._sounds: deque[_Sound] = deque()

    def push(self, speech: TurnSpeech) -> None:
        chunk = speech.chunk
        if chunk.phonemes:
            self._segments.extend(segments(chunk.phonemes, speech.start_s))
        elif len(chunk.pcm):
            rms = float(np.sqrt(np.mean(np.square(chunk.pcm, dtype=np.float32)))) / 32768
            sound = _Sound(speech.start_s, speech.end_s, chunk.sample_rate, chunk.pcm, 2.5 * rms)
            self._sounds.append(sound)

    def mouth(self, at_s: float) -> Mouth:
        """What the mouth does at ``at_s``; a sound without phonemes is listened to."""
        for sound in self._sounds:
            if sound.start_s <= at_s < sound.end_s:
                return _heard(sound, at_s - _LATE_S)
        return blend(list(self._segments), at_s)

    def stress(self, at_s: float) -> float:
        """0 to 1: how much of a stressed vowel is being said; what heads and brows go with."""
        best = 0.0
        for segment in self._segments:
            if segment.start_s > at_s + 0.3:
                break
            if segment.stressed:
                away = (at_s - (segment.start_s + segment.end_s) / 2) / 0.16
                best = max(best, float(np.exp(-away * away)))
        return best

    def forget(self, before_s: float) -> None:
        """Drop what ended long before ``before_s``."""
        edge = before_s - _BEHIND_S
        while self._segments and self._segments[0].end_s < edge:
            self._segments.popleft()
        while self._sounds and self._sounds[0].end_s < edge:
            self._sounds.popleft()

    def __len__(self) -> int:
        return len(self._segments) + len(self._sounds)


def _heard(sound: _Sound, at_s: float) -> Mouth:
    """A mouth guessed from loudness and four bands of the sound around ``at_s``."""
    power, level = _bands(sound, at_s)
    total = power.sum()
    low, middle, high, hiss = power / total
    open_ = level * min(1.0, 0.25 + 1.3 * middle)
    hissing = level * min(1.0, 1.5 * hiss)
    wide = level * min(1.0, 2.2 * high)
    rounded = level * float(np.clip(1.2 * low / max(1 - hiss, 0.05) - 3 * high, 0, 1)) * (1 - wide)
    coefficients = (
        _OPEN * (open_ * (1 - 0.7 * hissing) * (1 - 0.35 * rounded))
        + _ROUND * rounded
        + _WIDE * wide
        + _SHARP * hissing
        + _LOUD * level
    )
    return Mouth(coefficients.astype(np.float32), 0.0)


def _bands(sound: _Sound, at_s: float) -> tuple[NDArray[np.float64], float]:
    """Power in four bands, averaged over three windows, and loudness from 0 to 1."""
    power, energy = np.full(4, 1e-9), 1e-12
    frequency = np.fft.rfftfreq(_WINDOW, 1 / sound.sample_rate)
    for shift in (-0.02, 0.0, 0.02):
        begin = int((at_s - sound.start_s + shift) * sound.sample_rate) - _WINDOW // 2
        part = sound.pcm[max(0, begin) : max(0, begin + _WINDOW)].astype(np.float64) / 32768
        if not len(part):
            continue
        energy += float(np.mean(part * part)) / 3
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), _WINDOW)) ** 2
        for n, (start, end) in enumerate(_BANDS_HZ):
            power[n] += spectrum[(frequency >= start) & (frequency < end)].sum()
    loud = np.log10(np.sqrt(energy) / max(sound.peak, 0.02) + 1e-6) / 1.4 + 1
    return power, float(np.clip(loud, 0, 1))
