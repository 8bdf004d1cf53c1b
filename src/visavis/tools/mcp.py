"""MCP servers: their tools, and calls of them, over streamable HTTP and the guarded client."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Mapping
from typing import Any, cast

import httpx2
import structlog
from mcp.client import Client, ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    REQUEST_TIMEOUT,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)

from visavis.agents.tools import ToolDefinition
from visavis.net.client import GuardedClient
from visavis.tools.mcp_transport import GuardedMcpTransport
from visavis.tools.outcome import ToolOutcome
from visavis.tools.results import as_data, cut
from visavis.tools.secrets import redact, secrets_of
from visavis.tools.webhook import FAILURES, MAX_REASON_CHARS

CONNECT_S = 5.0
"""A conversation waits for this, so a server that takes longer is left out."""
CLOSE_S = 2.0
SESSION_LOST = "Session terminated"
"""What the package says when a server has forgotten us; the request was not carried out."""
MAX_PAGES = 8
MAX_TOOLS = 128

log = structlog.stdlib.get_logger("visavis.tools")


class McpFailed(Exception):
    """An MCP server could not be used. ``code`` is a ``ToolOutcome.error_code``."""

    def __init__(self, code: str) -> None:
        super().__init__(FAILURES[code])
        self.code = code


class McpServer:
    """A connection to one MCP server.

    It lives in a task of its own, so that nothing which goes wrong in it cancels a conversation.
    """

    def __init__(self, tool: ToolDefinition, http: GuardedClient) -> None:
        self.tool = tool
        self._http = http
        self._stop = asyncio.Event()
        self._settled = asyncio.Event()
        """The connection stands, or never will."""
        self._session: ClientSession | None = None
        self._failure = McpFailed("unreachable")
        self._task: asyncio.Task[None] | None = None
        self._reconnecting = asyncio.Lock()

    async def open(self) -> list[Tool]:
        """Connect and list the tools that this agent may use. Raises ``McpFailed``."""
        self._stop.clear()
        self._settled.clear()
        self._task = asyncio.create_task(self._live(), name=f"mcp {self.tool.name}")
        try:
            async with asyncio.timeout(min(CONNECT_S, self.tool.timeout_seconds)):
                await self._settled.wait()
                if self._session is None:
                    raise self._failure
                return await self._list(self._session)
        except McpFailed:
            raise
        except Exception as error:
            await self.close()
            raise McpFailed(_code_of(error)) from error

    async def close(self) -> None:
        """Say goodbye, briefly."""
        if self._task is None:
            return
        if self._session is None:
            self._task.cancel()
        self._session = None
        self._stop.set()
        _, late = await asyncio.wait({self._task}, timeout=CLOSE_S)
        for task in late:
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_S)

    async def call(self, name: str, arguments: Mapping[str, Any], shown_as: str) -> ToolOutcome:
        """Call the server's tool ``name``, which the model knows as ``shown_as``."""
        started = time.monotonic()
        params = CallToolRequestParams(name=name, arguments=dict(arguments))
        try:
            async with asyncio.timeout(self.tool.timeout_seconds + 1):
                result = await self._ask(CallToolRequest(params=params))
        except Exception as error:  # noqa: BLE001 - whatever a stranger's server provokes
            code = _code_of(error)
            log.info("mcp_call_failed", tool_id=self.tool.id, code=code)
            if code == "tool_failed" and isinstance(error, MCPError):
                return self._refused(error.message, shown_as, _ms_since(started))
            return ToolOutcome(False, FAILURES[code], code, _ms_since(started))
        return self._outcome(result, shown_as, _ms_since(started))

    async def _ask(self, request: CallToolRequest) -> CallToolResult:
        """Send the request, over a new connection if the server has forgotten the old one."""
        for attempt in range(2):
            async with self._reconnecting:
                session = self._session
            if session is None:
                break
            try:
                # Not ``call_tool``: that checks results against schemas which the server chose.
                return await session.send_request(request, CallToolResult)
            except MCPError as error:
                forgotten = error.message == SESSION_LOST or self._session is not session
                if attempt > 0 or not forgotten:
                    raise
            async with self._reconnecting:
                if self._session is session:
                    await self.close()
                    await self.open()
        raise McpFailed("unreachable")

    async def _live(self) -> None:
        """The connection, from first to last."""
        _quieten()
        transport = GuardedMcpTransport(self.tool, self._http)
        try:
            async with httpx2.AsyncClient(transport=transport, trust_env=False) as http:
                streams = streamable_http_client(self.tool.server_url or "", http_client=http)
                async with Client(streams, cache=None) as client:
                    self._session = client.session
                    self._settled.set()
                    await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - told to whoever waits for the connection
            self._failure = McpFailed(_code_of(error))
            log.info("mcp_connection_lost", tool_id=self.tool.id, code=self._failure.code)
        finally:
            self._session = None
            self._settled.set()

    async def _list(self, session: ClientSession) -> list[Tool]:
        allowed = set(self.tool.allowed_tools)
        found: list[Tool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
            found += [tool for tool in page.tools if not allowed or tool.name in allowed]
            cursor = page.next_cursor
            if cursor is None or len(found) >= MAX_TOOLS:
                break
        return found[:MAX_TOOLS]

    def _outcome(self, result: CallToolResult, shown_as: str, took_ms: float) -> ToolOutcome:
        text = redact(_text_of(result), secrets_of(self.tool)) or "done"
        if result.is_error:
            return self._refused(text, shown_as, took_ms)
        return ToolOutcome(True, as_data(shown_as, text), None, took_ms)

    def _refused(self, reason: str, shown_as: str, took_ms: float) -> ToolOutcome:
        told = as_data(shown_as, cut(redact(reason, secrets_of(self.tool)), MAX_REASON_CHARS))
        return ToolOutcome(False, f"{FAILURES['tool_failed']}\n{told}", "tool_failed", took_ms)


def offered_name(text: str) -> str:
    """A server's name for a tool, as every model can call it."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:64] or "tool"


def _text_of(result: CallToolResult) -> str:
    texts = [
        block.text if isinstance(block, TextContent) else f"[{block.type}]"
        for block in result.content
    ]
    if not texts and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(texts)


def _code_of(error: BaseException) -> str:
    """The most telling ``ToolOutcome.error_code`` in whatever the package raised."""
    if isinstance(error, McpFailed):
        return error.code
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error).exceptions
        codes = {_code_of(one) for one in inner}
        return min(codes, key=lambda code: code == "tool_failed")
    if not isinstance(error, MCPError):
        return "tool_failed"
    data = error.error.data
    code = cast(Mapping[str, Any], data).get("visavis") if isinstance(data, Mapping) else None
    if code in FAILURES:
        return cast(str, code)
    return {REQUEST_TIMEOUT: "timeout", CONNECTION_CLOSED: "unreachable"}.get(
        error.error.code, "tool_failed"
    )


def _ms_since(started: float) -> float:
    return (time.monotonic() - started) * 1000


def _quieten() -> None:
    """The package logs whole messages, arguments and results among them, to stderr."""
    for name in ("mcp", "client", "httpx2"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
