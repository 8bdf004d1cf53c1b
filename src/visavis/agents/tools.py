"""What a tool is: something the agent may do during a conversation."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from visavis.agents.fields import NO_NUL, Id, Url, Word

REDACTED = "[REDACTED]"
"""Stands for a secret in every answer and log; sent back, it keeps the secret as it was."""

ToolName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=100)]
HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=4000)]
Secret = Annotated[str, Field(min_length=1, max_length=4000, pattern=r"^[\x20-\x7e]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NoAuth(_Strict):
    type: Literal["none"] = "none"


class BearerAuth(_Strict):
    type: Literal["bearer"]
    token: Secret = Field(repr=False)


class BasicAuth(_Strict):
    type: Literal["basic"]
    username: Secret
    password: Secret = Field(repr=False)


class ApiKeyAuth(_Strict):
    """The key goes into ``header``."""

    type: Literal["api_key"]
    header: HeaderName = "X-API-Key"
    key: Secret = Field(repr=False)


class HmacAuth(_Strict):
    """``header: t=<unix s>,v1=<hex HMAC-SHA256 of "<unix s>.<body>">``."""

    type: Literal["hmac"]
    header: HeaderName = "X-Visavis-Signature"
    secret: Secret = Field(repr=False)


AuthConfig = Annotated[
    NoAuth | BearerAuth | BasicAuth | ApiKeyAuth | HmacAuth, Field(discriminator="type")
]
"""In requests ``{}`` means ``{"type": "none"}``."""


class ToolDefinition(BaseModel):
    """A tool, secrets included: for the worker and the store, never for an answer.

    ``kind``: "webhook" calls ``server_url``; "client" asks the user's browser; "mcp" stands for
    all tools (or ``allowed_tools``) of the MCP server at ``server_url``.
    """

    id: Id
    kind: Literal["webhook", "client", "mcp"] = "webhook"
    name: ToolName
    description: Annotated[str, Field(max_length=4000, pattern=NO_NUL)]
    server_url: Url | None = None
    parameters_schema: dict[str, JsonValue] = {"type": "object", "properties": {}}
    method: Literal["POST", "GET", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[HeaderName, HeaderValue] = Field(default={}, max_length=50, repr=False)
    timeout_seconds: int = Field(default=20, ge=1, le=300)
    is_async: bool = False
    strict_params: bool = True
    payload_format: Literal["envelope", "arguments"] = "envelope"
    auth_config: AuthConfig = NoAuth()
    allowed_tools: list[Word] = Field(default=[], max_length=200)
    tags: list[Word] = Field(default=[], max_length=50)
