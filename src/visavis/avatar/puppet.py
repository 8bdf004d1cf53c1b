"""The embedded avatar: a rig, animated and drawn on the CPU."""

import threading
from collections import deque

import numpy as np

from visavis.avatar import warming
from visavis.avatar.animator import Animator, PhaseSpan, Speech, fade
from visavis.avatar.base import Playhead
from visavis.avatar.coefficients import ARKIT, Pose
from visavis.avatar.mesh import Posed
from visavis.avatar.moods import Moods
from visavis.avatar.renderer import Renderer
from visavis.avatar.rig import Rig
from visavis.avatar.speech import SpeechTrack
from visavis.avatar.visemes import Mouth
from visavis.media import I420, Emotion, TurnSpeech

_ANTICIPATION_S = 0.02
"""A frame is seen for 40 ms: draw what is heard in its middle."""
_LET_GO_S = 0.1
"""How long the mouth takes to come to rest when its speech is taken away."""
_STILL = Mouth(np.zeros(len(ARKIT), np.float32), 0.0)


class Puppet:
    """An ``Avatar`` (see ``visavis.avatar.base``). The rig is shared, the rest is this session's.

    ``size`` is (width, height), multiples of 4. The same calls with the same ``seed`` draw the
    same frames.
    """

    def __init__(self, rig: Rig, *, size: tuple[int, int] = (512, 512), seed: int = 0) -> None:
        self._size = size
        self._renderer = Renderer(rig, size)
        self._animator = Animator(rig.manifest.limits, rig.manifest.seed ^ seed)
        self._rest = self._renderer.stage.rest
        self._lock = threading.Lock()
        self._tracks: dict[int, SpeechTrack] = {}
        self._phases: deque[PhaseSpan] = deque(maxlen=4)
        self._said = (_STILL, 0)
        """The last mouth that spoke, and when, in microseconds: it fades from there."""
        self._ready_us: int | None = None
        self._moods = Moods()

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    def push_speech(self, speech: TurnSpeech) -> None:
        with self._lock:
            self._tracks.setdefault(speech.turn_id, SpeechTrack()).push(speech)

    def clear(self, turn_id: int) -> None:
        with self._lock:
            for turn in [turn for turn in self._tracks if turn <= turn_id]:
                del self._tracks[turn]

    def feel(self, emotion: Emotion, intensity: float) -> None:
        self._moods.turn_to(emotion, intensity)

    def frame(self, at: Playhead, out: I420) -> None:
        self.draw(self.pose(at), out)

    def pose(self, at: Playhead) -> Pose:
        """What the face does at ``at``: the same as ``frame``, for those who draw elsewhere."""
        latest = PhaseSpan(at.phase, at.phase_since_us)
        if not self._phases or self._phases[-1] != latest:
            self._phases.append(latest)
        speech = self._speech(at)
        mood = self._moods.at(at.capture_us)
        pose = self._animator.pose(at.capture_us, tuple(self._phases), speech, mood)
        np.clip(pose.coefficients + self._rest, 0, 1, out=pose.coefficients)
        return pose

    def draw(self, pose: Pose, out: I420) -> Posed:
        """Draw any pose; returns the mesh as drawn."""
        return self._renderer.draw(pose, out)

    def _speech(self, at: Playhead) -> Speech:
        with self._lock:
            track = self._tracks.get(at.turn_id)
            if track is not None and at.position_s is not None:
                self._ready_us = None
                position = at.position_s + _ANTICIPATION_S
                track.forget(position)
                mouth = track.mouth(position)
                self._said = (mouth, at.capture_us)
                return Speech(mouth, track.stress(position))
            if track is None:
                self._ready_us = None
            elif self._ready_us is None:
                self._ready_us = at.capture_us
        mouth, when = self._said
        ready = None if self._ready_us is None else (at.capture_us - self._ready_us) / 1e6
        return Speech(fade(mouth, (at.capture_us - when) / 1e6, _LET_GO_S), 0.0, ready)


def warm_up() -> None:
    """Compile the kernels, or load them from numba's cache, before a session needs them."""
    warming.warm_up()
