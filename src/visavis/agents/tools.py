"""What a tool is: something the agent may do during a conversation."""

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag

from visavis.agents.fields import NO_NUL, Id, Url, Word

REDACTED = "[REDACTED]"
"""Stands for a secret in every answer and log; sent back, it keeps the secret as it was."""

ToolName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=100)]
HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=4000)]
Secret = Annotated[str, Field(min_length=1, max_length=4000, pattern=r"^[\x20-\x7e]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


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
    """``header: t=<unix s>,v1=<hex HMAC-SHA256 of "<unix s>.<body>">``.

    A request without a body (GET) signs its method, path and query in the body's place, as they
    were sent: ``"<unix s>.GET /weather?city=Oslo"``.
    """

    type: Literal["hmac"]
    header: HeaderName = "X-Visavis-Signature"
    secret: Secret = Field(repr=False)


def _type_of(auth: Any) -> Any:
    """``{}`` means no authentication, as iwy's callers write it."""
    if isinstance(auth, dict):
        return cast(dict[str, Any], auth).get("type", "none")
    return getattr(auth, "type", None)


AuthConfig = Annotated[
    Annotated[NoAuth, Tag("none")]
    | Annotated[BearerAuth, Tag("bearer")]
    | Annotated[BasicAuth, Tag("basic")]
    | Annotated[ApiKeyAuth, Tag("api_key")]
    | Annotated[HmacAuth, Tag("hmac")],
    Discriminator(_type_of),
]
Headers = Annotated[dict[HeaderName, HeaderValue], Field(max_length=50, repr=False)]
ToolKind = Literal["webhook", "client", "mcp"]
Method = Literal["POST", "GET", "PUT", "PATCH", "DELETE"]
PayloadFormat = Literal["envelope", "arguments"]
Description = Annotated[str, Field(max_length=4000, pattern=NO_NUL)]
Timeout = Annotated[int, Field(ge=1, le=300, description="Seconds.")]
Label = Annotated[str, Field(min_length=1, max_length=100, pattern=r'^[^\x00-\x1f"\\]+$')]


class ToolDefinition(BaseModel):
    """A tool, secrets included: for the worker and the store, never for an answer.

    ``kind``: "webhook" calls ``server_url``; "client" asks the user's browser; "mcp" stands for
    all tools (or ``allowed_tools``) of the MCP server at ``server_url``.
    """

    id: Id
    kind: ToolKind = "webhook"
    name: ToolName
    description: Description
    server_url: Url | None = None
    parameters_schema: dict[str, JsonValue] = {"type": "object", "properties": {}}
    method: Method = "POST"
    headers: Headers = {}
    timeout_seconds: Timeout = 20
    is_async: bool = False
    strict_params: bool = True
    payload_format: PayloadFormat = "envelope"
    auth_config: AuthConfig = NoAuth()
    allowed_tools: list[Word] = Field(default=[], max_length=200)
    tags: list[Label] = Field(default=[], max_length=50)
