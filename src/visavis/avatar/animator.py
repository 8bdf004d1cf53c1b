"""What a face does when: a pure function of the clock, the phases so far, the speech and a seed.

Layers, summed and clamped: speech, then gestures of the phase (listening, thinking, …) and the
mood, then the idle life that never stops (blinks, saccades, breath, a head that is never quite
still). Nothing is carried from frame to frame, so frames may be dropped or drawn twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis.avatar.base import Phase
from visavis.avatar.coefficients import ARKIT, Coefficients, Pose, vector
from visavis.avatar.rig import Limits
from visavis.avatar.visemes import Mouth

_CYCLE_S = 600.0
"""The idle life repeats after ten minutes."""
_EASE_S = 0.35
"""How long a phase takes to be felt in full."""
_BREATH_S = 3.9

_BLINK = np.array([[0, 0], [0.04, 0.5], [0.08, 1], [0.12, 1], [0.17, 0.6], [0.22, 0.2], [0.28, 0]])
"""Seconds and closure: lids fall fast and rise slowly; six frames at 25 per second."""
_BLINK_AT = ARKIT.index("eyeBlinkLeft"), ARKIT.index("eyeBlinkRight")

_EXPRESSION: dict[Phase, Coefficients] = {
    Phase.IDLE: vector({"mouthSmile": 0.16, "cheekSquint": 0.08}),
    Phase.LISTENING: vector({"mouthSmile": 0.22, "cheekSquint": 0.12, "browInnerUp": 0.16}),
    Phase.THINKING: vector({"browInnerUp": 0.3, "mouthPress": 0.2, "mouthRight": 0.1}),
    Phase.SPEAKING: vector({"mouthSmile": 0.1, "cheekSquint": 0.08}),
    Phase.INTERRUPTED: vector({"browInnerUp": 0.3, "browOuterUp": 0.25, "eyeWide": 0.15}),
}
_ACCENT = vector({"browInnerUp": 0.22, "browOuterUp": 0.12})
_INHALE = vector({"jawOpen": 0.04, "mouthUpperUp": 0.06, "browInnerUp": 0.08})

# phase: how lively the head is, how far the eyes wander
_LIVELY = {
    Phase.IDLE: (1.0, 0.3),
    Phase.LISTENING: (0.7, 0.14),
    Phase.THINKING: (0.8, 0.12),
    Phase.SPEAKING: (1.5, 0.18),
    Phase.INTERRUPTED: (0.6, 0.1),
}
_EYE_RADIANS = 0.55
"""The turn of the eye at full gaze."""


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """A phase and when it began, microseconds on the worker's clock."""

    phase: Phase
    since_us: int


@dataclass(frozen=True, slots=True)
class Speech:
    """What speech asks for right now. ``stress`` is 0 to 1; ``ready_s`` is how long speech has
    been waiting to begin, None where none waits."""

    mouth: Mouth
    stress: float = 0.0
    ready_s: float | None = None


class Animator:
    """The life of one face. ``seed`` decides every accident of it."""

    def __init__(self, limits: Limits, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._limits = limits
        self._blinks = _spaced(rng, shape=4.0, mean_s=4.2, least_s=0.9)
        self._fixations = _spaced(rng, shape=2.0, mean_s=1.6, least_s=0.35)
        self._targets = rng.normal(0, (1.0, 0.6), (len(self._fixations), 2)).clip(-2, 2)
        self._drift = rng.normal(0, 1, (6, 512))
        self._side = float(rng.choice((-1, 1)))

    def pose(
        self,
        at_us: int,
        phases: Sequence[PhaseSpan],
        speech: Speech,
        mood: Coefficients | None = None,
    ) -> Pose:
        """The face at ``at_us``. ``phases`` are the latest few, oldest first, at least one."""
        now = at_us / 1e6
        felt = _felt(at_us, phases)
        since = (at_us - phases[-1].since_us) / 1e6
        inhale = 0.0 if speech.ready_s is None else _ease(speech.ready_s / 0.3)
        coefficients = speech.mouth.coefficients + _ACCENT * speech.stress + _INHALE * inhale
        for phase, amount in felt.items():
            coefficients = coefficients + _EXPRESSION[phase] * amount
        if mood is not None:
            coefficients = coefficients + mood
        yaw, pitch, roll = self._head(now, since, felt, speech.stress)
        gaze = self._gaze(now, felt, inhale, yaw, pitch)
        coefficients += _lids_follow(gaze[1])
        blink = self._blink(now, since, phases[-1].phase)
        for index in _BLINK_AT:
            coefficients[index] = max(coefficients[index], blink)
        return Pose(
            coefficients=np.clip(coefficients, 0, 1).astype(np.float32),
            close=speech.mouth.close,
            yaw=_within(yaw, self._limits.yaw),
            pitch=_within(pitch, self._limits.pitch),
            roll=_within(roll, self._limits.roll),
            gaze=gaze,
            breath=float(np.sin(2 * np.pi * now / _BREATH_S) * (1 - inhale) + inhale),
        )

    def _head(
        self, now: float, since: float, felt: dict[Phase, float], stress: float
    ) -> tuple[float, float, float]:
        lively = sum(_LIVELY[phase][0] * amount for phase, amount in felt.items())
        yaw = lively * (0.028 * self._noise(now, 3.1, 0) + 0.009 * self._noise(now, 1.1, 1))
        pitch = lively * (0.016 * self._noise(now, 2.7, 2) + 0.006 * self._noise(now, 0.9, 3))
        roll = lively * 0.014 * self._noise(now, 3.7, 4)
        listening, thinking = felt.get(Phase.LISTENING, 0.0), felt.get(Phase.THINKING, 0.0)
        yaw += 0.06 * self._side * thinking
        roll += 0.03 * self._side * listening
        pitch += 0.012 * listening - 0.03 * thinking + 0.035 * stress
        pitch -= 0.035 * felt.get(Phase.INTERRUPTED, 0.0)
        pitch += 0.05 * listening * self._nod(since)
        return yaw, pitch, roll

    def _nod(self, since: float) -> float:
        """Small nods every few seconds, the first after two: someone is being followed."""
        turn = (since - 2.0) / 4.6
        if turn < 0:
            return 0.0
        count = int(turn)
        late = 1.6 * abs(self._drift[5, count % 512]) % 1
        inside = ((turn - count) * 4.6 - late) / 0.62
        if not 0 < inside < 1:
            return 0.0
        twice = count % 3 == 2
        return float(np.sin(np.pi * inside * (2 if twice else 1)) ** 2 * (0.7 if twice else 1))

    def _gaze(
        self, now: float, felt: dict[Phase, float], inhale: float, yaw: float, pitch: float
    ) -> tuple[float, float]:
        wander = sum(_LIVELY[phase][1] * amount for phase, amount in felt.items())
        away = felt.get(Phase.THINKING, 0.0) * (1 - inhale)
        x, y = self._fixation(now) * wander + np.array([0.62 * self._side, -0.62]) * away
        # eyes hold their target while the head moves
        hold = 0.9 * (1 - away)
        x, y = x - hold * yaw / _EYE_RADIANS, y - hold * pitch / _EYE_RADIANS
        return float(np.clip(x, -1, 1)), float(np.clip(y, -1, 1))

    def _fixation(self, now: float) -> NDArray[np.float64]:
        """Where the eyes rest; they jump there in 45 ms."""
        t = now % _CYCLE_S
        index = int(np.searchsorted(self._fixations, t, side="right")) - 1
        begun = t - self._fixations[index] if index >= 0 else 1.0
        share = _ease(begun / 0.045)
        return self._targets[index - 1] * (1 - share) + self._targets[index] * share

    def _blink(self, now: float, since: float, phase: Phase) -> float:
        t = now % _CYCLE_S
        index = int(np.searchsorted(self._blinks, t, side="right")) - 1
        elapsed = t - self._blinks[index] if index >= 0 else 1.0
        if phase is Phase.THINKING and since - elapsed < 0.9:
            elapsed = since  # eyes that turn away blink as they go, and not again at once
        return float(np.interp(elapsed, _BLINK[:, 0], _BLINK[:, 1]))

    def _noise(self, now: float, period_s: float, channel: int) -> float:
        """Smooth noise of about unit spread: random values ``period_s`` apart, eased between."""
        at = now / period_s
        index = int(np.floor(at))
        values = self._drift[channel]
        share = _ease(at - index)
        here, there = values[index % len(values)], values[(index + 1) % len(values)]
        return float(here + share * (there - here))


def fade(mouth: Mouth, elapsed_s: float, over_s: float) -> Mouth:
    """A mouth let go of: at rest after ``over_s``."""
    left = 1 - _ease(elapsed_s / over_s)
    return Mouth(mouth.coefficients * np.float32(left), mouth.close * left)


def _felt(at_us: int, phases: Sequence[PhaseSpan]) -> dict[Phase, float]:
    """How much each phase is felt: a new one eases in as the one before eases out; sums to 1."""
    felt: dict[Phase, float] = {}
    left = 1.0
    for span in reversed(phases[1:]):
        amount = left * _ease((at_us - span.since_us) / 1e6 / _EASE_S)
        felt[span.phase] = felt.get(span.phase, 0.0) + amount
        left -= amount
    felt[phases[0].phase] = felt.get(phases[0].phase, 0.0) + left
    return felt


def _spaced(
    rng: np.random.Generator, *, shape: float, mean_s: float, least_s: float
) -> NDArray[np.float64]:
    """Moments in one cycle, apart by ``least_s`` and a gamma-distributed wait."""
    waits = least_s + rng.gamma(shape, (mean_s - least_s) / shape, int(3 * _CYCLE_S / mean_s))
    moments = np.cumsum(waits)
    return moments[moments < _CYCLE_S - 1]


def _lids_follow(gaze_y: float) -> Coefficients:
    """Lids ride on the eyeball when it looks up or down."""
    return vector({"eyeLookDown": 0.7 * max(0.0, gaze_y), "eyeLookUp": 0.7 * max(0.0, -gaze_y)})


def _ease(t: float) -> float:
    t = min(1.0, max(0.0, t))
    return t * t * (3 - 2 * t)


def _within(angle: float, limit_degrees: float) -> float:
    limit = np.deg2rad(limit_degrees)
    return float(np.clip(angle, -limit, limit))
