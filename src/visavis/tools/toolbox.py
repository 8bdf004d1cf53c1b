"""What an agent can do in one session: its tools, callable by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from visavis.agents.tools import ToolDefinition
from visavis.net.client import GuardedClient


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


class Toolbox:
    """Calls webhook and MCP tools; client tools are offered here and called by the room.

    Connects to MCP servers on entry; one that fails is logged and left out.
    """

    def __init__(
        self, tools: Sequence[ToolDefinition], http: GuardedClient, *, session_id: str
    ) -> None:
        self._tools = tuple(tools)
        self._http = http
        self._session_id = session_id

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take leave of the MCP servers."""

    @property
    def offered(self) -> tuple[OfferedTool, ...]:
        """What the model may call."""
        return ()

    async def call(self, name: str, arguments: str) -> ToolOutcome:
        """Call the tool ``name`` with JSON ``arguments``. Raises nothing but ``CancelledError``."""
        return ToolOutcome(False, f"There is no tool called {name!r}.", "unknown_tool", 0.0)
