"""The session's event log: the one stream from which captions, transcript, records and tests read.

A worker emits ``SessionEvent`` values in order; each travels as an ``EventRecord``.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter


class SessionState(StrEnum):
    """The eight steps of a session; each is entered once, in this order, and time-stamped."""

    REQUEST = "request"
    PROVISIONING = "provisioning"
    ROOM_CREATION = "room_creation"
    MODEL_ORCHESTRATION = "model_orchestration"
    WEBRTC_CONNECTION = "webrtc_connection"
    CONVERSATION = "conversation"
    ANALYTICS = "analytics"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a session ended."""

    USER_LEFT = "user_left"
    CLIENT_LOST = "client_lost"
    NEVER_JOINED = "never_joined"
    AGENT_ENDED = "agent_ended"
    API_ENDED = "api_ended"
    MAX_DURATION = "max_duration"
    IDLE_TIMEOUT = "idle_timeout"
    SERVER_STOPPED = "server_stopped"
    WORKER_LOST = "worker_lost"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class TurnTimings:
    """One turn's latency breakdown, in ms after the user's last voiced sample (or text input).

    ``None`` where a stage did not run (typed input has no VAD, the greeting no user at all).
    """

    pause_detected_ms: float | None = None
    transcript_ms: float | None = None
    turn_decided_ms: float | None = None
    llm_first_token_ms: float | None = None
    first_clause_ms: float | None = None
    tts_first_audio_ms: float | None = None
    voice_to_voice_ms: float | None = None
    """When the first audible sample of the reply was handed to the room."""


@dataclass(frozen=True, slots=True)
class StateEntered:
    state: SessionState
    type: Literal["state"] = "state"


@dataclass(frozen=True, slots=True)
class UserStartedSpeaking:
    turn_id: int
    type: Literal["user_started_speaking"] = "user_started_speaking"


@dataclass(frozen=True, slots=True)
class UserStoppedSpeaking:
    turn_id: int
    type: Literal["user_stopped_speaking"] = "user_stopped_speaking"


@dataclass(frozen=True, slots=True)
class UserTranscript:
    """What was understood so far. A final one without words: it was noise, no answer comes."""

    turn_id: int
    text: str
    final: bool
    type: Literal["user_transcript"] = "user_transcript"


@dataclass(frozen=True, slots=True)
class AgentStartedSpeaking:
    turn_id: int
    type: Literal["agent_started_speaking"] = "agent_started_speaking"


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """Words that were really played, emitted as they become audible."""

    turn_id: int
    text: str
    type: Literal["agent_said"] = "agent_said"


@dataclass(frozen=True, slots=True)
class AgentStoppedSpeaking:
    turn_id: int
    interrupted: bool
    type: Literal["agent_stopped_speaking"] = "agent_stopped_speaking"


@dataclass(frozen=True, slots=True)
class TurnCompleted:
    """A turn is over: what the user said, what of the reply was heard, and how long it took."""

    turn_id: int
    user_text: str
    agent_text: str
    interrupted: bool
    timings: TurnTimings
    frames_sent: int
    frames_dropped: int
    type: Literal["turn_completed"] = "turn_completed"


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """The agent calls a tool; ``arguments`` is the JSON that the model wrote, cut if very long."""

    turn_id: int
    call_id: str
    tool_id: str
    name: str
    arguments: str
    is_async: bool = False
    type: Literal["tool_call_started"] = "tool_call_started"


@dataclass(frozen=True, slots=True)
class ToolCallFinished:
    """``result`` is what the model was told (cut); ``error_code`` is set when ``ok`` is not."""

    turn_id: int
    call_id: str
    name: str
    ok: bool
    result: str
    took_ms: float
    error_code: str | None = None
    type: Literal["tool_call_finished"] = "tool_call_finished"


@dataclass(frozen=True, slots=True)
class RecordingConsent:
    """The user was asked whether the conversation may be recorded, and answered."""

    granted: bool
    type: Literal["recording_consent"] = "recording_consent"


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """The recording is a finished file in the worker's folder; the server takes it from there."""

    duration_ms: int
    size_bytes: int
    type: Literal["recording_stopped"] = "recording_stopped"


@dataclass(frozen=True, slots=True)
class SessionError:
    code: str
    message: str
    fatal: bool
    type: Literal["error"] = "error"


@dataclass(frozen=True, slots=True)
class SessionEnded:
    reason: EndReason
    type: Literal["ended"] = "ended"


SessionEvent = Annotated[
    StateEntered
    | UserStartedSpeaking
    | UserStoppedSpeaking
    | UserTranscript
    | AgentStartedSpeaking
    | AgentSaid
    | AgentStoppedSpeaking
    | TurnCompleted
    | ToolCallStarted
    | ToolCallFinished
    | RecordingConsent
    | RecordingStopped
    | SessionError
    | SessionEnded,
    Field(discriminator="type"),
]


class EventRecord(BaseModel):
    """An event with its place in the session's log."""

    session_id: str
    seq: int
    at_ms: int
    """Unix time in milliseconds."""
    event: SessionEvent


SESSION_EVENT: TypeAdapter[SessionEvent] = TypeAdapter(SessionEvent)
