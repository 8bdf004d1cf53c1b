"""Agents on the wire, in the shape iwy's callers know."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from visavis.agents.fields import JsonObject, Name, Strict
from visavis.agents.schema import AgentConfiguration, AgentKind, Metadata, PublishStatus
from visavis.api.page import ACCOUNT_ID

Vendor = Literal["iwy", "tavus", "anam", "d-id"]

_EXAMPLE: dict[str, JsonValue] = {
    "name": "Concierge",
    "publish_status": "private",
    "configuration": {
        "llm": {
            "provider": "default",
            "model": "default",
            "system_prompt": "You are the concierge of a small hotel. Answer in one sentence.",
            "first_message": "Welcome, how can I help?",
        },
        "tts": {"provider": "default", "voice_id": "heart"},
        "video": {"provider": "puppet", "character_id": "ava"},
    },
    "metadata": {"team": "front desk"},
}


class AgentCreate(Strict):
    """A new agent. What ``configuration`` leaves out takes its default."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [_EXAMPLE]}
    )

    name: Name
    publish_status: PublishStatus = "draft"
    configuration: AgentConfiguration = AgentConfiguration()
    metadata: Metadata = Field(default={})


class AgentPatch(Strict):
    """A merge patch (RFC 7396): what is left out stays, null resets, lists are replaced whole."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"configuration": {"llm": {"temperature": 0.7}}}]},
    )

    name: Name = ""
    publish_status: PublishStatus | None = None
    configuration: JsonObject | None = Field(
        default=None, description="Any part of a configuration."
    )
    metadata: JsonObject | None = None


class AgentRollback(Strict):
    version: int = Field(ge=1, le=2**31 - 1)


class AgentDuplicate(Strict):
    """``name`` of the copy; without one, the old name and "(copy)"."""

    name: Name | None = None


class AgentImport(Strict):
    """An agent of another vendor, as that vendor's API answers it."""

    model_config = ConfigDict(populate_by_name=True)

    vendor: Vendor = Field(alias="from")
    document: JsonObject


class AgentView(BaseModel):
    """An agent. Its configuration is whole, with defaults and the server's cost rates."""

    id: str
    user_id: str = ACCOUNT_ID
    name: str
    publish_status: PublishStatus
    kind: AgentKind
    configuration: AgentConfiguration
    metadata: dict[str, JsonValue]
    version: int
    created_at: str
    updated_at: str
    expires_at: str | None = Field(
        description="Until when a single-use agent can be started; null for a permanent one."
    )


class VersionSummary(BaseModel):
    """One version of an agent; ``note`` says how it came about."""

    version: int
    created_at: str
    note: str
    name: str
    publish_status: PublishStatus


class VersionView(VersionSummary):
    """An agent as it was, exactly as stored: cost rates of the server are not filled in."""

    configuration: AgentConfiguration
    metadata: dict[str, JsonValue]


class NotCarried(BaseModel):
    """Something of another vendor's agent that has no counterpart here, and why."""

    field: str
    reason: str


class AgentImported(BaseModel):
    agent: AgentView
    not_carried: list[NotCarried]


class EphemeralCreate(Strict):
    """A single-use agent. ``ttl_seconds`` bounds when it can be started, not how long it talks."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "configuration": {
                        "llm": {"system_prompt": "Interview the candidate about Python."}
                    },
                    "ttl_seconds": 600,
                }
            ]
        },
    )

    configuration: AgentConfiguration
    ttl_seconds: int = Field(default=300, ge=60, le=86_400)
    metadata: Metadata = Field(default={})


class EphemeralAgent(BaseModel):
    id: str
    expires_at: str
    created_at: str


class EphemeralCreated(BaseModel):
    agent: EphemeralAgent


class ProviderChoice(BaseModel):
    """A provider; None where it takes any name that its server knows."""

    id: str
    models: list[str] | None
    voices: list[str] | None = Field(default=None, description="Only for tts.")
    needs_custom_url: bool = False


class CharacterChoice(BaseModel):
    id: str
    portrait_url: str


class VideoChoice(BaseModel):
    """``characters`` are listed for "puppet"; other backends know their own. While one is not
    ``available`` (``reason`` says why), the fallback character is shown in its place."""

    id: str
    characters: list[CharacterChoice]
    available: bool = True
    reason: str = ""


class Choices(BaseModel):
    """What an agent on this server can be made of."""

    llm: list[ProviderChoice]
    stt: list[ProviderChoice]
    tts: list[ProviderChoice]
    video: list[VideoChoice]
    languages: Annotated[
        list[str] | None, Field(description="Of the default models; null: any language.")
    ]
    builtin_tools: list[str]
