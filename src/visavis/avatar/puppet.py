"""The embedded avatar: a rig, animated and drawn on the CPU."""

import threading
from collections import deque
from dataclasses import replace

import numpy as np

from visavis.avatar import warming
from visavis.avatar.animator import Animator, PhaseSpan, Speech, begin, inhaled, let_go
from visavis.avatar.base import Playhead
from visavis.avatar.coefficients import ARKIT, Pose
from visavis.avatar.ground import PLAIN, Look
from visavis.avatar.mesh import Posed
from visavis.avatar.moods import Moods
from visavis.avatar.nods import Nod, nod_in
from visavis.avatar.renderer import Renderer
from visavis.avatar.rig import Rig
from visavis.avatar.script import Script
from visavis.avatar.visemes import Mouth
from visavis.media import I420, Emotion, TurnSpeech

_ANTICIPATION_S = 0.02
"""A frame is seen for 40 ms: draw what is heard in its middle."""
_STILL = Speech(Mouth(np.zeros(len(ARKIT), np.float32), 0.0))


class Puppet:
    """An ``Avatar`` (see ``visavis.avatar.base``). The rig is shared, the rest is this session's.

    ``size`` is (width, height), multiples of 4; ``look`` is what is drawn besides the face.
    The same calls with the same ``seed`` draw the same frames.
    """

    def __init__(
        self,
        rig: Rig,
        *,
        size: tuple[int, int] = (512, 512),
        seed: int = 0,
        look: Look = PLAIN,
    ) -> None:
        self._size = size
        self._renderer = Renderer(rig, size, look)
        self._seed = rig.manifest.seed ^ seed
        self._animator = Animator(rig.manifest.limits, self._seed, self._renderer.stage.rest)
        self._lock = threading.Lock()
        self._scripts: dict[int, Script] = {}
        self._phases: deque[PhaseSpan] = deque(maxlen=4)
        self._said = (_STILL, 0)
        """The last speech, and when, in microseconds: it fades from there."""
        self._waited: tuple[int, int | None] = (0, 0)
        """Since when speech waited for its first word, and until when, in microseconds."""
        self._phrase_ends: deque[int] = deque(maxlen=3)
        self._quiet_us: int | None = None
        self._nods: deque[Nod] = deque(maxlen=2)
        self._moods = Moods()
        self._moved: tuple[int, int] | None = None
        """The turn whose words are felt, and when it was last heard, in microseconds."""

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    def push_speech(self, speech: TurnSpeech) -> None:
        with self._lock:
            self._scripts.setdefault(speech.turn_id, Script()).push(speech)

    def clear(self, turn_id: int) -> None:
        with self._lock:
            for turn in [turn for turn in self._scripts if turn <= turn_id]:
                del self._scripts[turn]

    def feel(self, emotion: Emotion, intensity: float) -> None:
        self._moods.turn_to(emotion, intensity)

    def frame(self, at: Playhead, out: I420) -> None:
        self.draw(self.pose(at), out)

    def pose(self, at: Playhead) -> Pose:
        """What the face does at ``at``: the same as ``frame``, for those who draw elsewhere."""
        latest = PhaseSpan(at.phase, at.phase_since_us)
        if not self._phases or self._phases[-1] != latest:
            self._phases.append(latest)
        self._attend(at)
        speech = self._speech(at)
        mood = self._moods.at(at.capture_us)
        phases, nods = tuple(self._phases), tuple(self._nods)
        return self._animator.pose(at.capture_us, phases, speech, mood, nods)

    def draw(self, pose: Pose, out: I420) -> Posed:
        """Draw any pose; returns the mesh as drawn."""
        return self._renderer.draw(pose, out)

    def _attend(self, at: Playhead) -> None:
        """Nod when the user pauses; not if they go on before the nod has begun."""
        if at.user_quiet_since_us == self._quiet_us:
            return
        if self._nods and self._nods[-1].at_us > at.capture_us:
            self._nods.pop()
        self._quiet_us = at.user_quiet_since_us
        if self._quiet_us is not None:
            last = self._nods[-1] if self._nods else None
            if nod := nod_in(self._quiet_us, last, self._seed):
                self._nods.append(nod)

    def _speech(self, at: Playhead) -> Speech:
        with self._lock:
            script = self._scripts.get(at.turn_id)
            over = self._moved is not None and self._moved[0] not in self._scripts
        if self._moved is not None and over:
            self._moods.let_go(self._moved[1])
            self._moved = None
        inhale = self._inhale(at.capture_us, script is not None and at.position_s is None)
        if script is None or at.position_s is None:
            said, when = self._said
            return replace(
                let_go(said, (at.capture_us - when) / 1e6),
                inhale=inhale,
                phrase_ends_us=tuple(self._phrase_ends),
            )
        speech = replace(self._say(script, at, at.position_s + _ANTICIPATION_S), inhale=inhale)
        self._said = speech, at.capture_us
        return speech

    def _say(self, script: Script, at: Playhead, position_s: float) -> Speech:
        """What ``script`` says at a position of its turn, feelings brought up."""

        def clock(moment_s: float) -> int:
            return at.capture_us - round((position_s - moment_s) * 1e6)

        def lips(ago_s: float) -> float:
            with self._lock:
                return script.track.mouth(position_s - ago_s).close

        with self._lock:
            script.track.forget(position_s)
            mouth, stress = script.track.mouth(position_s), script.track.stress(position_s)
            self._phrase_ends.extend(clock(end_s) for end_s in script.phrase_ends(position_s))
            for begun_s, felt in script.feelings(position_s):
                self._moods.feel(felt.emotion, felt.intensity, clock(begun_s))
                self._moved = at.turn_id, at.capture_us
        if self._moved is not None and self._moved[0] == at.turn_id:
            self._moved = at.turn_id, at.capture_us
        return begin(Speech(mouth, stress, 0.0, lips, tuple(self._phrase_ends)), position_s)

    def _inhale(self, at_us: int, waits: bool) -> float:
        """The breath before the first word, which goes with it."""
        if waits and self._waited[1] is not None:
            self._waited = at_us, None
        elif not waits and self._waited[1] is None:
            self._waited = self._waited[0], at_us
        since, until = self._waited
        begun_s = None if until is None else (at_us - until) / 1e6
        return inhaled((at_us - since) / 1e6, begun_s)


def warm_up() -> None:
    """Compile the kernels, or load them from numba's cache, before a session needs them."""
    warming.warm_up()
