"""What a face does when: a pure function of the clock, the phases so far, the speech and a seed.

Layers, summed and clamped: speech, then feelings, then gestures of the phase (listening, thinking,
…), then the idle life that never stops (blinks, saccades, breath, a head that is never quite
still). Lips that must touch, touch whatever the other layers want. Nothing is carried from frame
to frame, so frames may be dropped or drawn twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from visavis.avatar.base import Phase
from visavis.avatar.blinks import Blinks
from visavis.avatar.coefficients import ARKIT, Coefficients, Pose, vector
from visavis.avatar.nods import Nod, nodding
from visavis.avatar.rig import Limits
from visavis.avatar.timing import CYCLE_S, ease, spaced
from visavis.avatar.visemes import Mouth

_EASE_S = 0.35
"""How long a phase takes to be felt in full."""
_STARTLED_S = 0.7
"""How long an interrupted face looks so; then it listens."""
_BEGIN_S = 0.08
_LET_GO_S = 0.1
_CALM_S = 0.3
_BREATH_S = 3.9
_INHALE_S = 0.3
_EXHALE_S = 0.7

_BLINK_AT = [ARKIT.index("eyeBlinkLeft"), ARKIT.index("eyeBlinkRight")]
_WIDE_AT = [ARKIT.index("eyeWideLeft"), ARKIT.index("eyeWideRight")]
_JAW_AT = ARKIT.index("jawOpen")

_EXPRESSION: dict[Phase, Coefficients] = {
    Phase.IDLE: vector({"mouthSmile": 0.16, "cheekSquint": 0.08}),
    Phase.LISTENING: vector({"mouthSmile": 0.22, "cheekSquint": 0.12, "browInnerUp": 0.16}),
    Phase.THINKING: vector({"browInnerUp": 0.3, "mouthPress": 0.2, "mouthRight": 0.1}),
    Phase.SPEAKING: vector({"mouthSmile": 0.1, "cheekSquint": 0.08}),
    Phase.INTERRUPTED: vector({"browInnerUp": 0.38, "browOuterUp": 0.22, "eyeWide": 0.12}),
}
_ACCENT = vector({"browInnerUp": 0.22, "browOuterUp": 0.12})
_INHALE = vector({"jawOpen": 0.04, "mouthUpperUp": 0.06, "browInnerUp": 0.08, "eyeWide": 0.1})

_PRESSING = ("mouthPress", "mouthRollLower", "mouthRollUpper", "mouthClose")
_PARTING = ("mouthUpperUp", "mouthLowerDown", "mouthStretch", "mouthFunnel", "jawOpen")
_BOWING = ("mouthSmile", "mouthDimple", "mouthFrown")
# What closed lips take from the layers over them. A feeling keeps most of its corners: a laugh
# that went with every p would twitch.
_CLOSED_TAKES = vector(dict.fromkeys(_PRESSING + _PARTING + _BOWING, 1.0))
_CLOSED_TAKES_FEELING = _CLOSED_TAKES - vector(dict.fromkeys(_BOWING, 0.65))
_OPEN_TAKES = vector(dict.fromkeys(_PRESSING, 1.0))
_OPEN_JAW = 0.2

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


def _open(_: float) -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Speech:
    """What speech asks for right now."""

    mouth: Mouth
    stress: float = 0.0
    """0 to 1: how much is leaned on what is being said."""
    inhale: float = 0.0
    """0 to 1: the breath before the first word, see ``inhaled``."""
    lips: Callable[[float], float] = _open
    """How firmly the lips were closed so many seconds ago, 0 to 1."""
    phrase_ends_us: tuple[int, ...] = ()
    """When the latest phrases were over, microseconds."""


class Animator:
    """The life of one face. ``seed`` decides every accident of it; ``rest`` is part of any pose."""

    def __init__(self, limits: Limits, seed: int, rest: Coefficients | None = None) -> None:
        rng = np.random.default_rng(seed)
        self._limits = limits
        self._rest = vector({}) if rest is None else rest
        self._blinks = Blinks(seed)
        self._fixations = spaced(rng, shape=2.0, mean_s=1.6, least_s=0.35)
        self._targets = rng.normal(0, (1.0, 0.6), (len(self._fixations), 2)).clip(-2, 2)
        self._drift = rng.normal(0, 1, (5, 512))
        self._side = float(rng.choice((-1, 1)))

    def pose(
        self,
        at_us: int,
        phases: Sequence[PhaseSpan],
        speech: Speech,
        mood: Coefficients | None = None,
        nods: Sequence[Nod] = (),
    ) -> Pose:
        """The face at ``at_us``. ``phases`` and ``nods`` are the latest few, oldest first;
        ``phases`` at least one. ``mood`` is what feelings add."""
        now = at_us / 1e6
        felt = _felt(at_us, phases)
        yaw, pitch, roll = self._head(now, felt, speech.stress)
        pitch += nodding(nods, at_us)
        gaze = self._gaze(now, felt, speech.inhale, yaw, pitch)
        turns = [span.since_us for span in phases if span.phase is Phase.THINKING]
        blink = self._blinks.closure(at_us, turns, speech.phrase_ends_us, speech.lips)
        coefficients = self._expression(felt, speech, mood) + _lids_follow(gaze[1])
        coefficients[_BLINK_AT] = np.maximum(coefficients[_BLINK_AT], blink)
        coefficients[_WIDE_AT] *= 1 - blink
        return Pose(
            coefficients=np.clip(coefficients, 0, 1).astype(np.float32),
            close=speech.mouth.close,
            yaw=_within(yaw, self._limits.yaw),
            pitch=_within(pitch, self._limits.pitch),
            roll=_within(roll, self._limits.roll),
            gaze=gaze,
            breath=_breath(now, speech.inhale),
        )

    def _expression(
        self, felt: dict[Phase, float], speech: Speech, mood: Coefficients | None
    ) -> Coefficients:
        """All but lids and gaze, summed; the mouth of speech comes first."""
        mouth = speech.mouth
        others = self._rest + _ACCENT * speech.stress + _INHALE * speech.inhale
        for phase, amount in felt.items():
            others = others + _EXPRESSION[phase] * amount
        others = others * (1 - _CLOSED_TAKES * mouth.close)
        if mood is not None:
            others = others + mood * (1 - _CLOSED_TAKES_FEELING * mouth.close)
        opened = min(1.0, float(mouth.coefficients[_JAW_AT]) / _OPEN_JAW)
        others = others * (1 - _OPEN_TAKES * opened)
        return (mouth.coefficients + others).astype(np.float32)

    def _head(
        self, now: float, felt: dict[Phase, float], stress: float
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
        return yaw, pitch, roll

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
        t = now % CYCLE_S
        index = int(np.searchsorted(self._fixations, t, side="right")) - 1
        begun = t - self._fixations[index] if index >= 0 else 1.0
        share = ease(begun / 0.045)
        return self._targets[index - 1] * (1 - share) + self._targets[index] * share

    def _noise(self, now: float, period_s: float, channel: int) -> float:
        """Smooth noise of about unit spread: random values ``period_s`` apart, eased between."""
        at = now / period_s
        index = int(np.floor(at))
        values = self._drift[channel]
        share = ease(at - index)
        here, there = values[index % len(values)], values[(index + 1) % len(values)]
        return float(here + share * (there - here))


def begin(speech: Speech, position_s: float) -> Speech:
    """Speech ``position_s`` after its first sound: a mouth at rest does not open in one frame."""
    mouth, opening = speech.mouth, np.float32(ease(position_s / _BEGIN_S))
    return replace(
        speech,
        mouth=Mouth((mouth.coefficients * opening).astype(np.float32), mouth.close),
        stress=speech.stress * ease(position_s / _CALM_S),
    )


def let_go(speech: Speech, elapsed_s: float) -> Speech:
    """Speech that was taken away: the mouth is at rest after a tenth of a second."""
    left = 1 - ease(elapsed_s / _LET_GO_S)
    mouth = Mouth(speech.mouth.coefficients * np.float32(left), speech.mouth.close * left)
    return Speech(mouth, speech.stress * (1 - ease(elapsed_s / _CALM_S)))


def inhaled(ready_s: float, begun_s: float | None) -> float:
    """0 to 1: the breath drawn while speech has waited for ``ready_s``, and given back within the
    first words; ``begun_s`` is how long speech has not waited any more, None while it does."""
    held = ready_s - (begun_s or 0.0)
    return ease(held / _INHALE_S) * (1 - ease((begun_s or 0.0) / _EXHALE_S))


def _felt(at_us: int, phases: Sequence[PhaseSpan]) -> dict[Phase, float]:
    """How much each phase is felt: a new one eases in as the one before eases out; sums to 1."""
    felt = dict.fromkeys(Phase, 0.0)
    left = 1.0
    for n, span in reversed(list(enumerate(phases))):
        amount = left * ease((at_us - span.since_us) / 1e6 / _EASE_S) if n else left
        left -= amount
        if span.phase is Phase.INTERRUPTED:
            calm = ease(((at_us - span.since_us) / 1e6 - _STARTLED_S) / _STARTLED_S)
            felt[Phase.LISTENING] += amount * calm
            amount *= 1 - calm
        felt[span.phase] += amount
    return felt


def _breath(now: float, inhale: float) -> float:
    return float(np.sin(2 * np.pi * now / _BREATH_S) * (1 - inhale) + inhale)


def _lids_follow(gaze_y: float) -> Coefficients:
    """Lids ride on the eyeball when it looks up or down."""
    return vector({"eyeLookDown": 0.7 * max(0.0, gaze_y), "eyeLookUp": 0.7 * max(0.0, -gaze_y)})


def _within(angle: float, limit_degrees: float) -> float:
    limit = np.deg2rad(limit_degrees)
    return float(np.clip(angle, -limit, limit))
