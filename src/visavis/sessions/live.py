"""What is known of a session while it lives, and the words in which it is asked for."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pydantic import JsonValue

from visavis.agents.schema import Agent
from visavis.agents.tools import ToolDefinition
from visavis.events import EndReason, SessionState
from visavis.sessions.endpoints import Endpoints


class Refusal(Exception):
    """A session request that cannot be met. ``code`` is stable; ``retry_s`` if waiting may help."""

    def __init__(self, code: str, message: str, *, retry_s: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_s = retry_s


class Models(Protocol):
    """Says who hears, thinks and speaks for an agent."""

    def endpoints(self, agent: Agent) -> Endpoints: ...


@dataclass(frozen=True, slots=True)
class StartOptions:
    """What a start request says about its session.

    ``context`` is added to the agent's system prompt; ``tools`` are the agent's, with secrets.
    """

    metadata: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    context: str = ""
    callback_url: str | None = None
    recording_consent: bool = False
    video_render: Literal["auto", "client", "server"] | None = None
    tools: tuple[ToolDefinition, ...] = ()
    rig_file: Path | None = None
    background_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    session_id: str
    join_by_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    sdp: str
    pc_id: str


@dataclass(slots=True)
class Live:
    """What the server keeps in memory of a session that has not ended."""

    session_id: str
    agent: Agent
    join_by_ms: int
    options: StartOptions = field(default_factory=StartOptions)
    next_seq: int = 0
    states: set[SessionState] = field(default_factory=set[SessionState])
    pc_id: str | None = None
    placed: bool = False
    joined_ms: int | None = None
    lease_ms: int | None = None
    """When a joined session has overstayed its longest conversation (Unix ms)."""
    asked_to_end: EndReason | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    over: asyncio.Event = field(default_factory=asyncio.Event)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
