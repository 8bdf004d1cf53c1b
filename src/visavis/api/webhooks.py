"""Webhooks and their deliveries on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from visavis.agents.fields import Url, Word

WebhookEvent = Literal[
    "session.started",
    "session.ended",
    "transcript.ready",
    "recording.ready",
    "tool.called",
    "*",
]
WebhookEvents = Annotated[list[WebhookEvent], Field(min_length=1, max_length=6)]
DeliveryStatus = Literal["pending", "delivered", "failed", "cancelled"]

_WEBHOOK: dict[str, JsonValue] = {
    "id": "5b0e7a1c-3f6d-4f0a-9a55-1d2c3b4a5f60",
    "user_id": "00000000-0000-4000-8000-000000000001",
    "url": "https://example.com/visavis",
    "events": ["session.ended", "transcript.ready"],
    "description": "CRM",
    "enabled": True,
    "disabled_reason": None,
    "created_at": "2026-11-23T09:00:00.000Z",
    "updated_at": "2026-11-23T09:00:00.000Z",
}
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class WebhookCreate(BaseModel):
    """A receiver of events. ``"*"`` stands for every event."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Url = Field(examples=["https://example.com/visavis"])
    events: WebhookEvents = Field(default=["*"], examples=[["session.ended"]])
    description: Word = Field(default="", examples=["CRM"])
    enabled: bool = True


class WebhookPatch(BaseModel):
    """What is left out, or null, stays. Enabling a webhook forgets why it was disabled."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Url | None = Field(default=None, examples=["https://example.com/visavis"])
    events: WebhookEvents | None = Field(default=None, examples=[["*"]])
    description: Word | None = Field(default=None, examples=["CRM"])
    enabled: bool | None = Field(default=None, examples=[True])


class WebhookView(BaseModel):
    """A webhook; its secret is not shown again."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WEBHOOK]})

    id: str
    user_id: str
    url: str
    events: list[WebhookEvent]
    description: str
    enabled: bool
    disabled_reason: str | None = Field(
        description="Why the server disabled it: gone (HTTP 410) or failing (for five days)."
    )
    created_at: str
    updated_at: str


class WebhookCreated(WebhookView):
    """A new webhook; ``secret`` is shown this once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_WEBHOOK, "secret": _SECRET}]})

    secret: str


class WebhookSecret(BaseModel):
    """Verifies signatures, with any Standard Webhooks library."""

    secret: str = Field(examples=[_SECRET])
    previous_valid_until: str | None = Field(
        description="Until then messages are signed by the replaced secret, too.",
        examples=["2026-11-24T09:00:00.000Z"],
    )


class AttemptView(BaseModel):
    """One try; ``error`` is null when the receiver took the message."""

    number: int
    at: str
    took_ms: float
    status_code: int | None
    error: str | None


class DeliveryView(BaseModel):
    """A message, and how it fares. Its ``id`` is sent as ``webhook-id`` at every attempt."""

    id: str
    webhook_id: str | None = Field(description="Null for an agent's own callback_url.")
    session_id: str | None
    url: str
    event_type: str
    payload: dict[str, Any]
    status: DeliveryStatus
    created_at: str
    next_attempt_at: str | None
    replay_of: str | None
    attempts: list[AttemptView]
