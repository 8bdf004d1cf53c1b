"""The speech that an avatar is about to say: what the mouth does at a position of its turn."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from visavis.avatar.hearing import Heard, hear
from visavis.avatar.visemes import Mouth, Segment, blend, segments
from visavis.media import Pcm, TurnSpeech

_BEHIND_S = 0.5
"""Speech so far behind the playhead no longer shapes the mouth."""
_UNTOLD_S = 0.3
"""Sound that no phoneme tells about for so long is listened to."""
_AUDIBLE = 10**-3.0
"""Of the chunk's power: fainter is a pause."""


@dataclass(frozen=True, slots=True)
class _Sound:
    """Speech without phonemes, as heard."""

    start_s: float
    end_s: float
    heard: Heard = field(repr=False)


class SpeechTrack:
    """One turn's speech, in order. Holds only what the playhead has not left behind."""

    def __init__(self) -> None:
        self._segments: deque[Segment] = deque()
        self._sounds: deque[_Sound] = deque()

    def push(self, speech: TurnSpeech) -> None:
        known = segments(speech.chunk.phonemes, speech.start_s)
        self._segments.extend(known)
        edges = [speech.start_s, *(t for s in known for t in (s.start_s, s.end_s)), speech.end_s]
        for start_s, end_s in zip(edges[::2], edges[1::2], strict=True):
            if not known or end_s - start_s > _UNTOLD_S:
                self._listen(speech, start_s, end_s)  # so no face is still while sound plays

    def _listen(self, speech: TurnSpeech, start_s: float, end_s: float) -> None:
        rate, pcm = speech.chunk.sample_rate, speech.chunk.pcm
        part = pcm[
            round((start_s - speech.start_s) * rate) : round((end_s - speech.start_s) * rate)
        ]
        if len(part) and _power(part) > _AUDIBLE * _power(pcm):
            self._sounds.append(_Sound(start_s, end_s, hear(part, rate)))

    def mouth(self, at_s: float) -> Mouth:
        """What the mouth does at ``at_s``; a sound without phonemes is listened to."""
        for sound in self._sounds:
            if sound.start_s <= at_s < sound.end_s:
                return Mouth(*sound.heard.at(at_s - sound.start_s))
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


def _power(pcm: Pcm) -> float:
    return float(np.mean(np.square(pcm, dtype=np.float32)))
