"""How feelings colour the face: a mood that lasts, and over it what single words carry."""

import threading
from dataclasses import dataclass, field

import numpy as np

from visavis.avatar.coefficients import ARKIT, Coefficients, vector
from visavis.media import Emotion

EASE_S = 0.8
"""How long a mood takes to be seen in full."""
ATTACK_S = 0.25
"""The same for what a word carries."""
RELEASE_S = 1.5
"""How long that takes to go again, once the words are over."""

_FACES: dict[Emotion, Coefficients] = {
    "neutral": vector({}),
    "happy": vector({"mouthSmile": 0.6, "cheekSquint": 0.45, "eyeSquint": 0.15}),
    "sad": vector({"mouthFrown": 0.6, "browInnerUp": 0.75, "eyeLookDown": 0.15, "eyeSquint": 0.1}),
    "surprised": vector({"browInnerUp": 0.75, "browOuterUp": 0.75, "eyeWide": 0.5}),
    "concerned": vector({"browInnerUp": 0.65, "browDown": 0.35, "mouthFrown": 0.25}),
    "thoughtful": vector({"browDown": 0.45, "mouthPress": 0.3, "eyeSquint": 0.25}),
}
_NOTHING: Coefficients = np.zeros(len(ARKIT), np.float32)


@dataclass(frozen=True, slots=True)
class _Step:
    """From ``since_us`` on the face turns to ``target`` (None: to what lies beneath)."""

    since_us: int
    over_s: float
    target: Coefficients | None = field(repr=False)

    def share(self, at_us: int) -> np.float32:
        t = min(1.0, max(0.0, (at_us - self.since_us) / 1e6 / self.over_s))
        return np.float32(t * t * (3 - 2 * t))


class Moods:
    """One face's feelings. ``turn_to`` may be called on any thread, the rest on the one that
    draws, with times that grow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: list[Coefficients] = []
        self._mood: list[_Step] = []
        self._felt: list[_Step] = []

    def turn_to(self, emotion: Emotion, intensity: float) -> None:
        """From the next picture on, let ``emotion`` be the mood."""
        with self._lock:
            self._wanted.append(_face(emotion, intensity))

    def feel(self, emotion: Emotion, intensity: float, since_us: int) -> None:
        """Show ``emotion`` over the mood, until it is let go."""
        self._felt.append(_Step(since_us, ATTACK_S, _face(emotion, intensity)))

    def let_go(self, since_us: int) -> None:
        """Return to the mood."""
        self._felt.append(_Step(since_us, RELEASE_S, None))

    def at(self, at_us: int) -> Coefficients:
        """What feelings add to the face at ``at_us``, microseconds."""
        with self._lock:
            self._mood += [_Step(at_us, EASE_S, target) for target in self._wanted]
            self._wanted.clear()
        self._mood, self._felt = _current(self._mood, at_us), _current(self._felt, at_us)
        return _shown(_shown(_NOTHING, self._mood, at_us), self._felt, at_us)


def _face(emotion: Emotion, intensity: float) -> Coefficients:
    return _FACES[emotion] * np.float32(min(1.0, max(0.0, intensity)))


def _current(steps: list[_Step], at_us: int) -> list[_Step]:
    """The steps that are still seen: a completed one hides all before it."""
    done = [n for n, step in enumerate(steps) if step.share(at_us) == 1]
    return steps[done[-1] :] if done else steps


def _shown(beneath: Coefficients, steps: list[_Step], at_us: int) -> Coefficients:
    shown = beneath
    for step in steps:
        target = beneath if step.target is None else step.target
        shown = (shown + (target - shown) * step.share(at_us)).astype(np.float32)
    return shown
