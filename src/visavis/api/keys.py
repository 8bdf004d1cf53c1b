"""API keys, the caller and the audit on the wire."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from visavis.agents.fields import Name
from visavis.agents.scopes import Scope

_EXAMPLE: dict[str, JsonValue] = {
    "id": "1f0c8a52-6f0e-4c1b-9d7e-2b8a4f6d9c11",
    "name": "shop backend",
    "prefix": "vv_1f0c8a52",
    "scopes": ["sessions:read", "sessions:write"],
    "created_at": "2026-11-23T09:00:00.000Z",
    "expires_at": None,
    "last_used_at": None,
    "revoked_at": None,
}


class KeyCreate(BaseModel):
    """A new key. Its scopes must be among the caller's own."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(examples=["shop backend"])
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=32)] = Field(
        examples=[["sessions:read", "sessions:write"]]
    )
    expires_at: AwareDatetime | None = Field(
        default=None, description="With a time zone, and in the future.", examples=[None]
    )


class KeyPatch(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name = Field(examples=["shop backend (old)"])


class KeyView(BaseModel):
    """A key as it may be shown: by its first characters."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: str
    expires_at: str | None
    last_used_at: str | None = Field(description="To the minute.")
    revoked_at: str | None


class KeyCreated(KeyView):
    """A new key; ``key`` is shown this once."""

    key: str


class Me(BaseModel):
    """Who is calling."""

    kind: Literal["home", "key"] = Field(description="home: a program on the server's machine.")
    scopes: list[Scope]
    key: KeyView | None


class AuditEntry(BaseModel):
    """Who did, or tried, what, and to what."""

    id: str
    at: str
    actor: str = Field(examples=["home", "key:1f0c8a52-6f0e-4c1b-9d7e-2b8a4f6d9c11"])
    action: str = Field(examples=["key.created", "origin.refused"])
    subject: str
    detail: dict[str, Any]
