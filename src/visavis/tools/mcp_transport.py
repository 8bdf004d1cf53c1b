"""The way of MCP's package out: through the guarded client, one call at a time."""

import time

import httpx2

from visavis.agents.tools import ToolDefinition
from visavis.net.client import GuardedClient, OutgoingError
from visavis.tools.request import auth_headers, merged
from visavis.tools.webhook import FAILURES, MAX_RESPONSE_BYTES


class GuardedMcpTransport(httpx2.AsyncBaseTransport):
    """One guarded call per request, answer and all.

    A failed call becomes a JSON-RPC error: raised here, it would end the whole connection.
    """

    def __init__(self, tool: ToolDefinition, http: GuardedClient) -> None:
        self._tool = tool
        self._http = http

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":  # a stream of the server's own messages; we need none
            return httpx2.Response(405, request=request)
        body = await request.aread()
        headers = merged(dict(request.headers), self._tool.headers)
        signed = auth_headers(
            self._tool.auth_config, request.method, str(request.url), body, int(time.time())
        )
        try:
            answer = await self._http.request(
                request.method,
                str(request.url),
                headers=merged(headers, signed),
                body=body,
                timeout_s=self._tool.timeout_seconds,
                max_bytes=MAX_RESPONSE_BYTES,
            )
        except OutgoingError as error:
            return _failed(request, error.code if error.code in FAILURES else "tool_failed")
        if answer.status in (401, 403) or answer.status >= 500:
            return _failed(request, "http_error")
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name.lower() not in ("content-length", "transfer-encoding", "content-encoding")
        }
        return httpx2.Response(answer.status, headers=kept, content=answer.body, request=request)


def _failed(request: httpx2.Request, code: str) -> httpx2.Response:
    failure = {"code": -32000, "message": code, "data": {"visavis": code}}
    answer = {"jsonrpc": "2.0", "id": None, "error": failure}
    return httpx2.Response(502, json=answer, request=request)
