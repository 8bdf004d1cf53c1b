"""Trying a tool out: what would be sent, what comes back, without its secrets."""

import asyncio
import json
import time
from typing import Any

from visavis.agents.tools import REDACTED, ToolDefinition
from visavis.api.tools import (
    ListedTool,
    RequestSent,
    ResponseReceived,
    TestedTool,
    ToolTest,
    ToolTested,
)
from visavis.net.client import GuardedClient, OutgoingError, OutgoingResponse
from visavis.tools.arguments import ArgumentsError, check_arguments
from visavis.tools.request import ToolRequest, auth_headers
from visavis.tools.results import cut, plain
from visavis.tools.schema import nests_deeper, safe_schema
from visavis.tools.secrets import redact, secrets_of
from visavis.tools.toolbox import Toolbox
from visavis.tools.webhook import Exchange, exchange

MAX_BODY_CHARS = 20_000
MAX_BODY_DEPTH = 64
SESSION_ID = "test"
"""Stands in ``X-Visavis-Session``."""


async def trial(tool: ToolDefinition, test: ToolTest, http: GuardedClient) -> ToolTested:
    """Check the parameters and, where asked and possible, call the tool."""
    tested = TestedTool(id=tool.id, name=tool.name)
    if tool.kind == "mcp":
        return await _listing(tool, tested, http)
    try:
        arguments = check_arguments(
            await asyncio.to_thread(safe_schema, tool.parameters_schema),
            json.dumps(test.parameters),
            strict=tool.strict_params,
        )
        if test.validate_only or tool.kind == "client":
            return ToolTested(
                success=True,
                execution_time_ms=0,
                validation="passed",
                message="The parameters are valid; nobody was called.",
                tool=tested,
            )
        done = await exchange(tool, arguments, http, session_id=SESSION_ID)
    except ArgumentsError as error:
        return ToolTested(
            success=False,
            execution_time_ms=0,
            validation="failed",
            message=str(error),
            tool=tested,
        )
    return _called(tool, tested, done)


def _called(tool: ToolDefinition, tested: TestedTool, done: Exchange) -> ToolTested:
    answer = done.answer
    common: dict[str, Any] = {
        "execution_time_ms": round(done.took_ms),
        "validation": "passed",
        "tool": tested,
        "request_sent": _sent(tool, done.request),
    }
    if isinstance(answer, OutgoingError):
        return ToolTested(success=False, message=answer.message, **common)
    return ToolTested(
        success=200 <= answer.status < 300, response_received=_received(tool, answer), **common
    )


def _sent(tool: ToolDefinition, request: ToolRequest) -> RequestSent:
    hidden = {
        name.lower() for name in (*tool.headers, *auth_headers(tool.auth_config, "", "", None, 0))
    }
    secrets = secrets_of(tool)
    return RequestSent(
        url=redact(request.url, secrets),
        method=request.method,
        headers={
            name: REDACTED if name.lower() in hidden else value
            for name, value in request.headers.items()
        },
        payload=request.payload,
    )


def _received(tool: ToolDefinition, answer: OutgoingResponse) -> ResponseReceived:
    secrets = secrets_of(tool)
    headers = {name: redact(plain(value), secrets) for name, value in answer.headers.items()}
    if "set-cookie" in headers:
        headers["set-cookie"] = REDACTED
    return ResponseReceived(
        status=answer.status,
        status_text=plain(answer.reason),
        headers=headers,
        body=_body(redact(answer.body.decode("utf-8", "replace"), secrets)),
        content_type=plain(answer.content_type),
    )


def _body(text: str) -> Any:
    """JSON where it is JSON that everyone can read, else text."""
    if len(text) <= MAX_BODY_CHARS:
        try:
            value = json.loads(text)
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            pass
        else:
            if not nests_deeper(value, MAX_BODY_DEPTH):
                return value
    return cut(plain(text), MAX_BODY_CHARS)


async def _listing(tool: ToolDefinition, tested: TestedTool, http: GuardedClient) -> ToolTested:
    started = time.monotonic()
    async with Toolbox([tool], http, session_id=SESSION_ID) as toolbox:
        await toolbox.connect()
        took_ms = round((time.monotonic() - started) * 1000)
        if (reason := toolbox.left_out.get(tool.id)) is not None:
            return ToolTested(success=False, execution_time_ms=took_ms, message=reason, tool=tested)
        tools = [
            ListedTool(
                name=offered.name,
                description=offered.description,
                parameters_schema=offered.parameters,
            )
            for offered in toolbox.offered
        ]
    return ToolTested(success=True, execution_time_ms=took_ms, tool=tested, tools=tools)
