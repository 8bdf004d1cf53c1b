"""What wraps every request: an id and a log line, and a net for crashes."""

import re
import secrets
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visavis.server.errors import Problem, respond

_PROBES = ("/healthz", "/readyz")

log = structlog.stdlib.get_logger("visavis.server")


class RequestIdMiddleware:
    """Gives every request an id (the caller's ``X-Request-ID`` if it is a plain word) and logs it.

    Paths are logged, never queries or headers: those may hold tokens.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if re.fullmatch(r"[\w.-]{1,64}", given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began, status = time.perf_counter(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            took_ms = round((time.perf_counter() - began) * 1000, 1)
            level = log.debug if scope["path"] in _PROBES else log.info
            level("request", method=scope["method"], path=scope["path"], status=status, ms=took_ms)
            structlog.contextvars.unbind_contextvars("request_id")


class CrashMiddleware:
    """An exception that nobody handled becomes a 500 that tells nothing but its request id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception:
            if started or scope["type"] != "http":
                raise
            log.exception("request_crashed", path=scope["path"])
            await respond(Request(scope), Problem("internal"))(scope, receive, send)
