"""What passes between the tools and the conversation."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """How a call went.

    ``text`` is what the model is told: bounded, marked as data, without secrets.
    ``error_code``: invalid_arguments, unknown_tool, budget_exhausted, repeated_call, timeout,
    unreachable, url_refused, redirect_refused, response_too_large, http_error, tool_failed.
    """

    ok: bool
    text: str
    error_code: str | None
    took_ms: float


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool as the model sees it. ``parameters`` is a JSON Schema without references."""

    tool_id: str
    name: str
    description: str
    parameters: dict[str, Any]
    kind: Literal["webhook", "client", "mcp"]
    is_async: bool
    timeout_s: float
    strict: bool
