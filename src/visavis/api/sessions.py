"""Sessions on the wire: their records, and what one may tell them while they run.

Times are Unix milliseconds.
"""

import base64
import binascii
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from visavis.agents.fields import NO_NUL, JsonObject, Prose, Strict
from visavis.agents.schema import Metadata
from visavis.events import EndReason, EventRecord, SessionState
from visavis.records.figures import Figures

MAX_SAID = 5000
MAX_AUDIO = 240_000
"""Base64 characters: 3.7 s of sound at 24 kHz. More goes in several pieces."""

Said = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_SAID,
        pattern=r"^[^\x00]*[^\x00\s][^\x00]*$",
        examples=["Good day!"],
    ),
]


class TurnView(BaseModel):
    """A completed turn; ``timings`` are ms after the user's last sound, or the typed text."""

    turn_id: int
    user_text: str
    agent_text: str
    interrupted: bool
    timings: dict[str, float | None]
    frames_sent: int
    frames_dropped: int


class ToolCallView(BaseModel):
    """A tool call; ``ok`` and ``took_ms`` are None while it runs."""

    call_id: str
    turn_id: int
    tool_id: str
    name: str
    arguments: str
    is_async: bool
    started_at: int
    took_ms: float | None
    ok: bool | None
    result: str | None
    error_code: str | None


class RecordingSummary(BaseModel):
    """That there is a recording; see ``GET /v1/session/{id}/recording``."""

    duration_ms: int
    size_bytes: int


class SessionSummary(BaseModel):
    """A session in a list."""

    id: str
    agent_id: str
    agent_name: str
    agent_version: int
    metadata: Metadata
    state: SessionState
    end_reason: EndReason | None
    created_at: int
    join_by: int
    joined_at: int | None
    ended_at: int | None
    recording: RecordingSummary | None
    figures: Figures | None


class SessionView(SessionSummary):
    """A session as its record has it, so far or for good."""

    states: dict[SessionState, int]
    turns: list[TurnView]
    tool_calls: list[ToolCallView]


class Line(BaseModel):
    """One utterance; times are ms from the start of the conversation."""

    speaker: Literal["user", "agent"]
    turn_id: int
    start_ms: int
    end_ms: int
    text: str
    interrupted: bool


class Transcript(BaseModel):
    session_id: str
    lines: list[Line]


class EventPage(BaseModel):
    """Events in order. ``next_after`` asks for more: None when these are the last so far."""

    data: list[EventRecord]
    next_after: int | None


class SayRequest(Strict):
    """Words for the agent. ``interrupt``: at once, or else when nobody speaks."""

    text: Said
    interrupt: bool = True


class EchoRequest(Strict):
    """A text, or sound (base64 of mono signed 16-bit samples) to be lip-synced.

    With both, ``text`` is what the captions show while the sound plays.
    """

    text: Said | None = None
    audio: Annotated[str, Field(min_length=4, max_length=MAX_AUDIO)] | None = None
    sample_rate: int = Field(default=24_000, ge=8000, le=48_000)
    interrupt: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.text is None and self.audio is None:
            raise ValueError("needs a text or audio")
        if self.audio is not None:
            try:
                size = len(base64.b64decode(self.audio, validate=True))
            except (binascii.Error, ValueError):
                raise ValueError("audio must be base64") from None
            if size == 0 or size % 2:
                raise ValueError("audio must hold whole 16-bit samples")
        return self


class RespondRequest(Strict):
    """What the user is to have said."""

    text: Said


class ContextRequest(Strict):
    """What the model should know: told by us ("system"), or as if the user had said it."""

    text: Said
    role: Literal["system", "user"] = "system"


class SessionPatch(Strict):
    """What should change from the next turn on; fields that are left out stay.

    ``metadata`` is merged: null removes a key. ``max_duration_seconds`` counts from the start.
    """

    system_prompt: Prose | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=4096)
    voice_id: Annotated[str, Field(max_length=200, pattern=NO_NUL)] | None = None
    language: (
        Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)] | None
    ) = None
    max_duration_seconds: int | None = Field(default=None, ge=30, le=86_400)
    metadata: Annotated[JsonObject, Field(max_length=100)] = Field(default={})


class CommandAccepted(BaseModel):
    """The conversation has the command and obeys it in its turn."""

    session_id: str
    command: Literal["say", "echo", "respond", "context", "interrupt"]
    status: Literal["accepted"] = "accepted"
