"""How a mood colours the face: a bias on top of everything else that it does."""

import threading

import numpy as np

from visavis.avatar.coefficients import ARKIT, Coefficients, vector
from visavis.media import Emotion

EASE_S = 0.8
"""How long a mood takes to be seen in full."""

_MOODS: dict[Emotion, Coefficients] = {
    "neutral": vector({}),
    "happy": vector({"mouthSmile": 0.5, "cheekSquint": 0.35, "eyeSquint": 0.1}),
    "sad": vector({"mouthFrown": 0.45, "browInnerUp": 0.5, "eyeLookDown": 0.12}),
    "surprised": vector({"browInnerUp": 0.5, "browOuterUp": 0.5, "eyeWide": 0.4}),
    "concerned": vector({"browInnerUp": 0.45, "browDown": 0.2, "mouthFrown": 0.15}),
    "thoughtful": vector({"browDown": 0.25, "mouthPress": 0.3, "eyeSquint": 0.15}),
}


class Moods:
    """One face's mood. ``turn_to`` may be called on any thread, ``at`` on the one that draws."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._from: Coefficients = np.zeros(len(ARKIT), np.float32)
        self._to = self._now = self._from
        self._since_us: int | None = None

    def turn_to(self, emotion: Emotion, intensity: float) -> None:
        """Ease into ``emotion``, from whatever is felt now."""
        with self._lock:
            self._from = self._now
            self._to = _MOODS[emotion] * np.float32(min(1.0, max(0.0, intensity)))
            self._since_us = None

    def at(self, at_us: int) -> Coefficients:
        """The bias at ``at_us``, microseconds; a mood begins with the first picture of it."""
        with self._lock:
            if self._since_us is None:
                self._since_us = at_us
            share = min(1.0, max(0.0, (at_us - self._since_us) / 1e6 / EASE_S))
            eased = np.float32(share * share * (3 - 2 * share))
            self._now = (self._from + (self._to - self._from) * eased).astype(np.float32)
            return self._now
