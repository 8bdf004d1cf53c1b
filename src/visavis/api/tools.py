"""Tools on the wire, in the shape iwy's callers know."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from visavis.agents.fields import JsonObject, Strict, Url, Word
from visavis.agents.tools import (
    AuthConfig,
    Description,
    HeaderName,
    Headers,
    HeaderValue,
    Label,
    Method,
    NoAuth,
    PayloadFormat,
    Timeout,
    ToolKind,
    ToolName,
)
from visavis.api.page import ACCOUNT_ID

_EXAMPLE: dict[str, JsonValue] = {
    "name": "get_weather",
    "description": "Tells today's weather in a city.",
    "server_url": "https://example.com/weather",
    "parameters_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "The city's name."}},
        "required": ["city"],
    },
    "method": "POST",
    "timeout_seconds": 10,
    "auth_config": {"type": "bearer", "token": "s3cr3t-example"},
    "tags": ["weather"],
}

AllowedTools = Annotated[
    list[Word],
    Field(max_length=200, description="Of an MCP server: these tools only; empty: all."),
]
Tags = Annotated[list[Label], Field(max_length=50)]


class ToolCreate(Strict):
    """A new tool.

    ``kind``: a "webhook" calls ``server_url``, whose path may hold ``{argument}`` in places; a
    "client" tool is answered by the user's browser; "mcp" stands for the tools of the MCP server
    at ``server_url``. ``payload_format``: the body is ``{tool_id, tool_name, parameters}`` or
    the bare arguments. ``auth_config``: ``{}`` is none.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    kind: ToolKind = "webhook"
    name: ToolName
    description: Description
    server_url: Url | None = None
    parameters_schema: JsonObject = Field(default={"type": "object", "properties": {}})
    method: Method = "POST"
    headers: Headers = Field(default={})
    timeout_seconds: Timeout = 20
    is_async: bool = False
    strict_params: bool = True
    payload_format: PayloadFormat = "envelope"
    auth_config: AuthConfig = NoAuth()
    allowed_tools: AllowedTools = Field(default=[])
    tags: Tags = Field(default=[])


class ToolPatch(Strict):
    """What is left out stays; null resets; null for a header removes it.

    ``parameters_schema`` and ``auth_config`` are replaced whole. ``[REDACTED]`` for a secret keeps
    it as it was.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"timeout_seconds": 5}]})

    kind: ToolKind | None = None
    name: ToolName | None = None
    description: Description | None = None
    server_url: Url | None = None
    parameters_schema: JsonObject | None = None
    method: Method | None = None
    headers: Annotated[dict[HeaderName, HeaderValue | None], Field(max_length=50)] | None = None
    timeout_seconds: Timeout | None = None
    is_async: bool | None = None
    strict_params: bool | None = None
    payload_format: PayloadFormat | None = None
    auth_config: AuthConfig | None = None
    allowed_tools: AllowedTools | None = None
    tags: Tags | None = None


class ToolView(BaseModel):
    """A tool; its secrets and all values of headers read ``[REDACTED]``."""

    id: str
    user_id: str = ACCOUNT_ID
    kind: ToolKind
    name: str
    description: str
    server_url: str | None
    parameters_schema: dict[str, JsonValue]
    method: Method
    headers: dict[str, str]
    timeout_seconds: int
    is_async: bool
    strict_params: bool
    payload_format: PayloadFormat
    auth_config: dict[str, str]
    allowed_tools: list[str]
    tags: list[str]
    created_at: str
    updated_at: str


class ToolTest(Strict):
    """``validate_only`` checks the parameters and calls nobody."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"parameters": {"city": "Oslo"}}]},
    )

    parameters: JsonObject
    validate_only: bool = False


class TestedTool(BaseModel):
    id: str
    name: str


class RequestSent(BaseModel):
    """Secrets read ``[REDACTED]``."""

    url: str
    method: str
    headers: dict[str, str]
    payload: Any


class ResponseReceived(BaseModel):
    """``body`` is JSON where the server sent JSON, else text, cut at 20,000 characters."""

    status: int
    status_text: str
    headers: dict[str, str]
    body: Any
    content_type: str


class ListedTool(BaseModel):
    """A tool of an MCP server, as an agent would be offered it."""

    name: str
    description: str
    parameters_schema: dict[str, JsonValue]


class ToolTested(BaseModel):
    """How the test went; what did not take place is left out.

    ``validation`` is "passed" or "failed"; ``message`` says what failed. ``tools``: of an MCP
    server.
    """

    success: bool
    execution_time_ms: int
    validation: str | None = None
    message: str | None = None
    tool: TestedTool
    request_sent: RequestSent | None = None
    response_received: ResponseReceived | None = None
    tools: list[ListedTool] | None = None
