"""Webhook tools: one HTTP call, and what the model is told of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from visavis.agents.tools import ToolDefinition
from visavis.net.client import GuardedClient, OutgoingError, OutgoingResponse
from visavis.tools.outcome import ToolOutcome
from visavis.tools.request import ToolRequest, build_request
from visavis.tools.results import as_data, cut, readable
from visavis.tools.secrets import redact, secrets_of

MAX_RESPONSE_BYTES = 1 << 20
MAX_REASON_CHARS = 400

FAILURES = {
    "timeout": "The tool did not answer in time.",
    "unreachable": "The tool cannot be reached.",
    "url_refused": "The tool's address may not be called.",
    "redirect_refused": "The tool's server points elsewhere; that is not followed.",
    "response_too_large": "The tool's answer is too large.",
    "http_error": "The tool's server refused the call, or failed.",
    "tool_failed": "The tool failed.",
}
"""What the model is told; never more, so that nothing of the inner network shows."""

log = structlog.stdlib.get_logger("visavis.tools")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call: what was sent, and either an answer or why there is none."""

    request: ToolRequest
    answer: OutgoingResponse | OutgoingError
    took_ms: float


async def exchange(
    tool: ToolDefinition, arguments: Mapping[str, Any], http: GuardedClient, *, session_id: str
) -> Exchange:
    """Call the tool. ``arguments`` are checked already. Raises ``ArgumentsError``.

    Redirects are not followed: they would carry secrets and arguments to somewhere else.
    """
    request = build_request(tool, arguments, session_id=session_id, now_s=int(time.time()))
    started = time.monotonic()
    try:
        answer: OutgoingResponse | OutgoingError = await http.request(
            request.method,
            request.url,
            headers=request.headers,
            body=request.body,
            timeout_s=tool.timeout_seconds,
            max_bytes=MAX_RESPONSE_BYTES,
        )
    except OutgoingError as error:
        answer = error
    return Exchange(request, answer, (time.monotonic() - started) * 1000)


def outcome_of(tool: ToolDefinition, done: Exchange) -> ToolOutcome:
    """The exchange as the model and the record see it."""
    if isinstance(done.answer, OutgoingError):
        code = done.answer.code if done.answer.code in FAILURES else "tool_failed"
        log.info("tool_unreachable", tool_id=tool.id, code=code, took_ms=round(done.took_ms))
        return ToolOutcome(False, FAILURES[code], code, done.took_ms)
    status = done.answer.status
    log.info("tool_answered", tool_id=tool.id, status=status, took_ms=round(done.took_ms))
    if 300 <= status < 400:
        return ToolOutcome(False, FAILURES["redirect_refused"], "redirect_refused", done.took_ms)
    text = redact(readable(done.answer.body, done.answer.content_type), secrets_of(tool))
    if 200 <= status < 300:
        return ToolOutcome(True, as_data(tool.name, text or "done"), None, done.took_ms)
    reason = f"The tool's server answered {status}."
    if 400 <= status < 500 and text:
        # What was wrong with the request often helps the model to ask better.
        reason += "\n" + as_data(tool.name, cut(text, MAX_REASON_CHARS))
    return ToolOutcome(False, reason, "http_error", done.took_ms)
