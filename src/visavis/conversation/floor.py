"""What waits for the floor: lines to be said, and a user who may not interrupt."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from visavis.conversation.listener import UtteranceEnded, UtteranceEvent, UtterancePaused
from visavis.media import TICK_MS, SpeechChunk, now_us

MAX_HELD = 60_000 // TICK_MS
"""A minute of a user who speaks while the agent may not be interrupted; then the oldest goes."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something to say word for word: a text, or sound made elsewhere.

    ``begun`` is called once: when it is being said, or will never be.
    """

    text: str = ""
    sound: SpeechChunk | None = None
    remembered: bool = True
    begun: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Typed:
    """What the user typed; ``voiced`` wants the answer spoken."""

    text: str
    voiced: bool


class Queue:
    """Both kinds of waiting, first come first served; users before lines."""

    def __init__(self) -> None:
        self._held: deque[UtteranceEvent | Typed] = deque(maxlen=MAX_HELD)
        self._lines: deque[Line] = deque()

    def __bool__(self) -> bool:
        return bool(self._held or self._lines)

    def hold(self, event: UtteranceEvent | Typed) -> None:
        self._held.append(event)

    def add(self, line: Line) -> None:
        self._lines.append(line)

    def held(self) -> list[UtteranceEvent | Typed]:
        """Take what the user did meanwhile; pauses are dated now, as nobody was slow to answer."""
        events, now = list(self._held), now_us()
        self._held.clear()
        return [_at(event, now) for event in events]

    def next_line(self) -> Line | None:
        return self._lines.popleft() if self._lines else None

    def drop_lines(self, *, echoes_only: bool = False) -> None:
        """Lines that will not be said after all."""
        lines, self._lines = self._lines, deque()
        for line in lines:
            if echoes_only and line.remembered:
                self._lines.append(line)
            else:
                line.begun()


def _at(event: UtteranceEvent | Typed, now: int) -> UtteranceEvent | Typed:
    if isinstance(event, UtterancePaused | UtteranceEnded):
        return replace(event, last_voiced_us=now, at_us=now)
    return event
