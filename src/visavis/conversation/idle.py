"""When a conversation has gone on for too long, or has gone quiet."""

import asyncio
import time
from collections.abc import Callable
from typing import Literal

from visavis.events import (
    AgentSaid,
    AgentStartedSpeaking,
    AgentStoppedSpeaking,
    SessionEvent,
    ToolCallFinished,
    ToolCallStarted,
    TurnCompleted,
    UserStartedSpeaking,
    UserStoppedSpeaking,
    UserTranscript,
)

LONGEST_UTTERANCE_S = 30.0

_Busy = Literal["agent", "turn"]


class IdleWatch:
    """Knows from the event log since when nobody has spoken, typed or prepared an answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._busy: set[_Busy] = set()
        self._since_s = clock()
        self.user_spoke = False
        """Whether the user has said or typed anything at all."""

    @property
    def idle_s(self) -> float:
        return 0.0 if self._busy else max(0.0, self._clock() - self._since_s)

    def note(self, event: SessionEvent) -> None:
        """Follow the log; events that nobody caused by speaking or typing do not count."""
        quiet_s = 0.0
        match event:
            case UserStartedSpeaking():
                quiet_s = LONGEST_UTTERANCE_S  # its end need not be told: something may cut it
            case UserTranscript(text=text, final=True):
                if text:
                    self.user_spoke = True
                    self._busy.add("turn")
            case AgentStartedSpeaking():
                self._busy.add("agent")
            case AgentStoppedSpeaking():
                self._busy.discard("agent")
            case TurnCompleted():
                self._busy.discard("turn")
            case UserStoppedSpeaking() | UserTranscript() | AgentSaid():
                pass
            case ToolCallStarted() | ToolCallFinished():
                pass
            case _:
                return
        self._since_s = self._clock() + quiet_s

    async def expired(self, timeout_s: float) -> None:
        """Return once nothing has happened for ``timeout_s``."""
        self._since_s = self._clock()
        while True:
            left_s = timeout_s - self.idle_s
            if left_s <= 0:
                return
            await asyncio.sleep(left_s)


class Deadline:
    """The longest that a conversation may take, counted from ``passed``; may change meanwhile."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._changed = asyncio.Event()

    def set(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._changed.set()

    async def passed(self) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while (left_s := began_s + self._limit_s - loop.time()) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                pass
