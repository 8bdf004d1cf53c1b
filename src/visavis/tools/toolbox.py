"""What an agent can do in one session: its tools, callable by name."""

import asyncio
import importlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import structlog

from visavis.agents.tools import ToolDefinition
from visavis.net.client import GuardedClient
from visavis.tools.arguments import ArgumentsError, check_arguments
from visavis.tools.outcome import OfferedTool, ToolOutcome
from visavis.tools.results import disarm, plain
from visavis.tools.rules import RESERVED
from visavis.tools.schema import SchemaError, safe_schema
from visavis.tools.webhook import FAILURES, exchange, outcome_of

if TYPE_CHECKING:
    from mcp_types import Tool

    from visavis.tools.mcp import McpServer

__all__ = ["OfferedTool", "ToolOutcome", "Toolbox"]

MAX_CALLS = 100
"""In one session."""
MAX_REPEATS = 5
"""Of one call with the same arguments; a model that asks on will not learn anything new."""
MAX_DESCRIPTION_CHARS = 1000
LISTING_S = 3.0
"""For checking the schemas of one MCP server; what is left then is left out."""

Invoke = Callable[[dict[str, Any]], Awaitable[ToolOutcome]]

log = structlog.stdlib.get_logger("visavis.tools")


class Toolbox:
    """Calls webhook and MCP tools; client tools are offered here and called by the room.

    The agent's own tools are on offer from entry on, those of MCP servers once ``connect`` got
    through to them.
    """

    def __init__(
        self, tools: Sequence[ToolDefinition], http: GuardedClient, *, session_id: str
    ) -> None:
        self._tools = tuple(tools)
        self._http = http
        self._session_id = session_id
        self._offered: dict[str, OfferedTool] = {}
        self._invoke: dict[str, Invoke] = {}
        self._calls: Counter[tuple[str, int]] = Counter()
        self._open = AsyncExitStack()
        self.left_out: dict[str, str] = {}
        """MCP servers that are not there: tool id to why."""

    async def __aenter__(self) -> Self:
        for tool in self._tools:
            if tool.kind != "mcp":
                await self._offer_own(tool)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take leave of the MCP servers."""
        await self._open.aclose()

    async def connect(self, on_offer: Callable[[], None] = lambda: None) -> None:
        """Connect to the MCP servers, all at once, and return when each is there or left out.

        ``on_offer`` is called whenever a server's tools have come on offer. A server that fails
        is logged and left out.
        """
        servers = [tool for tool in self._tools if tool.kind == "mcp"]
        if not servers:
            return
        # Loading the package takes the better part of a second; most agents need none of it.
        mcp = await asyncio.to_thread(importlib.import_module, "visavis.tools.mcp")
        # Which names clash must not depend on who answers first: several servers all sign theirs.
        signed = len(servers) > 1
        async with asyncio.TaskGroup() as tasks:
            for tool in servers:
                server = mcp.McpServer(tool, self._http)
                self._open.push_async_callback(server.close)
                tasks.create_task(self._join(server, mcp, signed, on_offer))

    @property
    def offered(self) -> tuple[OfferedTool, ...]:
        """What the model may call, in the agent's order, whoever connected first."""
        order = {tool.id: place for place, tool in enumerate(self._tools)}
        return tuple(sorted(self._offered.values(), key=lambda tool: order[tool.tool_id]))

    async def call(self, name: str, arguments: str) -> ToolOutcome:
        """Call the tool ``name`` with JSON ``arguments``. Raises nothing but ``CancelledError``."""
        started = time.monotonic()
        tool, invoke = self._offered.get(name), self._invoke.get(name)
        if tool is None or invoke is None:
            return _refusal("unknown_tool", "There is no such tool.")
        if (refusal := self._budget(name, arguments)) is not None:
            return refusal
        try:
            checked = check_arguments(tool.parameters, arguments, strict=tool.strict)
            return await invoke(checked)
        except ArgumentsError as error:
            return _refusal("invalid_arguments", f"The arguments were refused: {error}")
        except Exception as error:  # noqa: BLE001 - a tool's fault must not end a conversation
            log.error("tool_crashed", tool_id=tool.tool_id, error=type(error).__name__)
            took_ms = (time.monotonic() - started) * 1000
            return ToolOutcome(False, FAILURES["tool_failed"], "tool_failed", took_ms)

    def _budget(self, name: str, arguments: str) -> ToolOutcome | None:
        """A refusal once the model overdoes it."""
        if self._calls.total() >= MAX_CALLS:
            return _refusal("budget_exhausted", "No more tools can be used in this conversation.")
        call = (name, hash(arguments))
        self._calls[call] += 1
        if self._calls[call] > MAX_REPEATS:
            return _refusal(
                "repeated_call", "This was asked before; use the answer that came back then."
            )
        return None

    async def _offer_own(self, tool: ToolDefinition) -> None:
        """A webhook or client tool, under its own name."""
        try:
            parameters = await asyncio.to_thread(safe_schema, tool.parameters_schema)
        except SchemaError as error:
            log.warning("tool_left_out", tool_id=tool.id, reason=str(error))
            return
        if not self._offer(tool, tool.name, tool.description, parameters):
            return
        if tool.kind == "webhook":
            self._invoke[tool.name] = self._webhook(tool)

    def _webhook(self, tool: ToolDefinition) -> Invoke:
        async def invoke(arguments: dict[str, Any]) -> ToolOutcome:
            done = await exchange(tool, arguments, self._http, session_id=self._session_id)
            return outcome_of(tool, done)

        return invoke

    async def _join(
        self, server: "McpServer", mcp: ModuleType, signed: bool, on_offer: Callable[[], None]
    ) -> None:
        """Connect to one server and offer what it lists."""
        try:
            listing = await server.open()
        except mcp.McpFailed as error:
            log.warning("mcp_left_out", tool_id=server.tool.id, reason=str(error))
            self.left_out[server.tool.id] = str(error)
            return
        deadline = time.monotonic() + LISTING_S
        for listed in listing:
            if time.monotonic() > deadline:
                log.warning("tools_left_out", tool_id=server.tool.id, reason="too many, too large")
                break
            await self._offer_listed(server, listed, mcp.offered_name, signed)
        on_offer()

    async def _offer_listed(
        self, server: "McpServer", listed: "Tool", offered_name: Callable[[str], str], signed: bool
    ) -> None:
        """A tool of an MCP server, with the server's name in front where its own might clash."""
        name = offered_name(listed.name)
        if signed or name in self._offered or name in RESERVED:
            name = offered_name(f"{server.tool.name}_{name}")
        try:
            parameters = await asyncio.to_thread(safe_schema, listed.input_schema)
        except SchemaError as error:
            log.warning("tool_left_out", tool_id=server.tool.id, name=name, reason=str(error))
            return
        description = disarm(plain(listed.description or ""))[:MAX_DESCRIPTION_CHARS]
        if self._offer(server.tool, name, description, parameters):
            self._invoke[name] = _of_server(server, listed.name, name)

    def _offer(
        self, tool: ToolDefinition, name: str, description: str, parameters: dict[str, Any]
    ) -> bool:
        if name in self._offered or name in RESERVED:
            log.warning("tool_left_out", tool_id=tool.id, name=name, reason="the name is taken")
            return False
        self._offered[name] = OfferedTool(
            tool_id=tool.id,
            name=name,
            description=description,
            parameters=parameters,
            kind=tool.kind,
            is_async=tool.is_async,
            timeout_s=tool.timeout_seconds,
            strict=tool.strict_params,
        )
        return True


def _of_server(server: "McpServer", name: str, shown_as: str) -> Invoke:
    async def invoke(arguments: dict[str, Any]) -> ToolOutcome:
        return await server.call(name, arguments, shown_as)

    return invoke


def _refusal(code: str, text: str) -> ToolOutcome:
    return ToolOutcome(False, text, code, 0.0)
