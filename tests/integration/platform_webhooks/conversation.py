"""A placement without workers: every room that opens plays one short conversation."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from visavis.agents.schema import Agent
from visavis.conversation.commands import Command
from visavis.conversation.spec import SessionSpec
from visavis.events import (
    AgentSaid,
    AgentStartedSpeaking,
    AgentStoppedSpeaking,
    EndReason,
    EventRecord,
    SessionEvent,
    SessionState,
    StateEntered,
    ToolCallFinished,
    ToolCallStarted,
    TurnCompleted,
    TurnTimings,
    UserStartedSpeaking,
    UserStoppedSpeaking,
    UserTranscript,
)
from visavis.providers.base import Endpoint
from visavis.sessions.control import Candidate, Finished
from visavis.sessions.endpoints import Endpoints
from visavis.sessions.live import now_ms
from visavis.sessions.placement import Report

PLAY: list[SessionEvent] = [
    StateEntered(SessionState.CONVERSATION),
    UserStartedSpeaking(1),
    UserStoppedSpeaking(1),
    UserTranscript(1, "What is the weather like?", final=True),
    ToolCallStarted(1, "call-1", "tool-1", "get_weather", '{"city":"Oslo"}'),
    ToolCallFinished(1, "call-1", "get_weather", True, "Sunny.", 12.5),
    AgentStartedSpeaking(1),
    AgentSaid(1, "It is sunny."),
    AgentStoppedSpeaking(1, interrupted=False),
    TurnCompleted(1, "What is the weather like?", "It is sunny.", False, TurnTimings(), 10, 0),
]


class Stage:
    """Implements ``Placement``; stands for the model host, too."""

    ready = True

    def __init__(self, play: Sequence[SessionEvent] = PLAY) -> None:
        self._play = play
        self._reports: asyncio.Queue[Report] = asyncio.Queue()

    def endpoints(self, agent: Agent) -> Endpoints:
        nowhere = Endpoint(base_url="http://127.0.0.1:9/v1", api_key="", model="none")
        return Endpoints(nowhere, nowhere, nowhere)

    async def open(self, spec: SessionSpec, sdp: str, first_seq: int) -> str:
        for n, event in enumerate(self._play):
            record = EventRecord(
                session_id=spec.session_id, seq=first_seq + n, at_ms=now_ms() + n, event=event
            )
            self._reports.put_nowait(record)
        return "answer"

    async def renegotiate(self, session_id: str, sdp: str) -> str:
        return "answer"

    async def add_candidates(self, session_id: str, candidates: Sequence[Candidate]) -> None:
        pass

    async def tell(self, session_id: str, command: Command) -> None:
        pass

    async def end(self, session_id: str, reason: EndReason) -> None:
        self._reports.put_nowait(Finished(session_id=session_id, reason=reason))

    async def reports(self) -> AsyncIterator[Report]:
        while True:
            yield await self._reports.get()
