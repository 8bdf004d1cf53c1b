"""The avatar seam: push speech, clear, draw. Local or remote, puppet or neural."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from visavis.avatar.coefficients import Pose
from visavis.media import I420, Emotion, TurnSpeech


class Phase(StrEnum):
    """What the agent is doing; decides idle behaviour, gaze and expression."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Playhead:
    """Where the media clock stands when a frame is due."""

    capture_us: int
    phase: Phase
    phase_since_us: int
    turn_id: int
    position_s: float | None
    """Position on the turn's speech timeline that is heard with this frame; None in silence."""
    user_quiet_since_us: int | None = None
    """When the user paused within what they are saying; None while they speak or have nothing to
    say. What listeners nod to."""


class Avatar(Protocol):
    """``push_speech`` and ``clear`` are called on the event loop, ``frame`` on a media thread."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        ...

    def push_speech(self, speech: TurnSpeech) -> None:
        """Speech that will be played; comes before it is heard, in order."""
        ...

    def clear(self, turn_id: int) -> None:
        """Forget speech of ``turn_id`` and older (barge-in, or the turn is over)."""
        ...

    def feel(self, emotion: Emotion, intensity: float) -> None:
        """Let ``emotion`` colour the face from now on; 0 <= ``intensity`` <= 1. Any thread."""
        ...

    def frame(self, at: Playhead, out: I420) -> None:
        """Draw the face as it is at ``at`` into ``out``; no allocation that grows with time."""
        ...


@runtime_checkable
class Posable(Protocol):
    """An ``Avatar`` whose face others can draw: ``frame`` is ``draw`` of ``pose``."""

    def pose(self, at: Playhead) -> Pose:
        """What the face does at ``at``. In place of ``frame``, on the same thread."""
        ...

    def draw(self, pose: Pose, out: I420) -> object: ...
