"""What was said, read from the event log: who, what, from when to when."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from visavis.events import (
    AgentSaid,
    AgentStartedSpeaking,
    AgentStoppedSpeaking,
    EventRecord,
    SessionEnded,
    SessionState,
    StateEntered,
    TurnCompleted,
    UserStartedSpeaking,
    UserStoppedSpeaking,
    UserTranscript,
)

TYPED_MS = 1500
"""How long a typed message is shown as a caption."""


@dataclass(slots=True)
class Word:
    """A piece of the agent's speech and when it became audible (Unix ms)."""

    at_ms: int
    text: str


@dataclass(slots=True)
class Utterance:
    """One stretch of speech by one side; times are Unix ms."""

    speaker: Literal["user", "agent"]
    turn_id: int
    start_ms: int
    end_ms: int
    text: str = ""
    interrupted: bool = False
    words: list[Word] = field(default_factory=list[Word])


def utterances(log: Iterable[EventRecord]) -> list[Utterance]:
    """The utterances of a log in the order they began; those without words are left out."""
    return [utterance for utterance in stretches(log) if utterance.text]


def stretches(log: Iterable[EventRecord]) -> list[Utterance]:
    """Who spoke when, in the order they began, whatever was understood of it."""
    users: dict[int, Utterance] = {}
    agents: dict[int, Utterance] = {}
    last_ms = 0
    for record in log:
        last_ms = record.at_ms
        _take(record, users, agents)
    for agent in agents.values():
        if agent.words:
            agent.text = " ".join(word.text for word in agent.words if word.text)
    spoken = [*users.values(), *agents.values()]
    for utterance in spoken:
        if utterance.end_ms <= utterance.start_ms:  # cut off by a crash
            utterance.end_ms = max(last_ms, utterance.start_ms + 1)
    return sorted(spoken, key=lambda u: (u.start_ms, u.speaker == "agent"))


def _take(record: EventRecord, users: dict[int, Utterance], agents: dict[int, Utterance]) -> None:
    at = record.at_ms
    match record.event:
        case UserStartedSpeaking(turn_id=turn):
            users.setdefault(turn, Utterance("user", turn, at, 0))
        case UserStoppedSpeaking(turn_id=turn):
            if turn in users:
                users[turn].end_ms = at
        case UserTranscript(turn_id=turn, text=text, final=final):
            # The newest transcript of a turn stands for all of it; a typed one has no speech.
            user = users.setdefault(turn, Utterance("user", turn, at, at + TYPED_MS))
            user.text = text.strip() or ("" if final else user.text)
        case AgentStartedSpeaking(turn_id=turn):
            agents.setdefault(turn, Utterance("agent", turn, at, 0))
        case AgentSaid(turn_id=turn, text=text):
            agent = agents.setdefault(turn, Utterance("agent", turn, at, 0))
            agent.words.append(Word(at, text.strip()))
        case AgentStoppedSpeaking(turn_id=turn, interrupted=interrupted):
            if turn in agents:
                agents[turn].end_ms = at
                agents[turn].interrupted = interrupted
        case TurnCompleted(turn_id=turn, user_text=text, agent_text=answer):
            if turn in users and text.strip():
                users[turn].text = text.strip()
            if turn not in agents and answer.strip():  # answered in writing
                agents[turn] = Utterance("agent", turn, at, at + TYPED_MS, answer.strip())
        case _:
            pass


def began_ms(log: Iterable[EventRecord]) -> int | None:
    """When the conversation began (Unix ms): the zero of every caption and player."""
    for record in log:
        if record.event == StateEntered(SessionState.CONVERSATION):
            return record.at_ms
    return None


def ended(log: Iterable[EventRecord]) -> SessionEnded | None:
    """The end event, if the log has one."""
    return next((r.event for r in log if isinstance(r.event, SessionEnded)), None)
