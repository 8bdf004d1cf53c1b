"""``Idempotency-Key``: a POST that is sent twice is done once, and answered twice.

A first answer of 2xx is kept for a day and given again, with ``Idempotent-Replayed: true``. Any
other answer made nothing: its key is free again. Works for every POST under ``/v1`` but those whose
answers hold what was said in a session: no such words are kept here, past their own deletion.
"""

import hashlib
import re
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visavis.server.errors import Problem, respond
from visavis.server.gate.access import bearer, is_at_home, network
from visavis.server.services import Services
from visavis.storage import idempotency as store
from visavis.storage.tables import IdempotencyRow

MAX_ANSWER = 1 << 20
"""Bytes; a longer answer is not kept."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WORDS = ("/end", "/replay")
_KEPT_HEADERS = ("content-type", "location")


@dataclass(slots=True)
class _Answer:
    """What the application said, held back until it is on record."""

    messages: list[Message] = field(default_factory=list[Message])

    @property
    def status(self) -> int:
        return self.messages[0]["status"] if self.messages else 500

    @property
    def headers(self) -> dict[str, str]:
        given = Headers(raw=self.messages[0]["headers"])
        return {name: given[name] for name in _KEPT_HEADERS if name in given}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])


class IdempotencyMiddleware:
    """Expects whole bodies, so it stands within ``BodyMiddleware``."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key_of(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            await self._once(request, key, receive, send)
        except Problem as problem:
            await respond(request, problem)(scope, receive, send)

    async def _once(self, request: Request, key: str, receive: Receive, send: Send) -> None:
        if not _KEY.fullmatch(key):
            problem = Problem("invalid_request", "1 to 255 visible ASCII characters, please.")
            problem.members["field"] = "Idempotency-Key"
            raise problem
        try:
            caller = await self._caller(request)
        except Problem:  # the application refuses them in its own words, and has it audited
            await self._app(request.scope, receive, send)
            return
        body = (await receive()).get("body", b"")
        fingerprint = _fingerprint(request, body)
        number, found = await store.claim(self._services.database, caller, key, fingerprint)
        if found is not None:
            await self._replay(found, fingerprint)(request.scope, receive, send)
            return
        try:
            answer = await self._ask(request.scope, body, receive)
        except Exception:
            await self._settle(caller, key, number, None)
            raise
        await self._settle(caller, key, number, answer)
        for message in answer.messages:
            await send(message)

    async def _caller(self, request: Request) -> str:
        """Whose key it is. A stored answer is for who could have had it: keys must be valid."""
        token = bearer(request)
        if token is None:
            if is_at_home(request, self._services.settings):
                return "home"
            return f"address:{network(request, self._services.settings)}"
        if token.count(".") == 2:
            return f"room:{hashlib.sha256(token.encode('utf-8', 'replace')).hexdigest()}"
        return f"key:{(await self._services.keys.find(token)).id}"

    def _replay(self, found: IdempotencyRow, fingerprint: str) -> Response:
        if found.fingerprint != fingerprint:
            raise Problem("idempotency_conflict", "Use a new key for another request.")
        if found.status is None or found.body is None:
            raise Problem("idempotency_in_progress", retry_s=1)
        body = str(self._services.vault.open(found.body)).encode("latin-1")
        headers = {**(found.headers or {}), "Idempotent-Replayed": "true"}
        return Response(body, found.status, headers)

    async def _ask(self, scope: Scope, body: bytes, receive: Receive) -> _Answer:
        answer = _Answer()
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        async def hold(message: Message) -> None:
            answer.messages.append(message)

        await self._app(scope, replay, hold)
        return answer

    async def _settle(self, caller: str, key: str, number: int, answer: _Answer | None) -> None:
        """Keep a good answer, sealed, because it may hold a token or a key."""
        body = answer.body if answer is not None else b""
        keep = answer is not None and answer.status < 300 and len(body) <= MAX_ANSWER
        async with self._services.database.write() as session:
            if answer is None or not keep:
                await store.release(session, caller, key, number)
            else:
                sealed = self._services.vault.seal(body.decode("latin-1"))
                await store.finish(
                    session, caller, key, number, answer.status, answer.headers, sealed
                )


def _key_of(scope: Scope) -> str | None:
    if scope["type"] != "http" or not takes_key(scope["method"], scope["path"]):
        return None
    return Headers(scope=scope).get("idempotency-key")


def takes_key(method: str, path: str) -> bool:
    """Whether an ``Idempotency-Key`` means anything there; elsewhere it is not even read."""
    return method == "POST" and path.startswith("/v1/") and not path.endswith(_WORDS)


def _fingerprint(request: Request, body: bytes) -> str:
    """What has to be the same for an answer to be given again, the asking page included."""
    parts = [request.url.path, request.url.query, request.headers.get("origin", "")]
    head = "\n".join(parts).encode("utf-8", "replace")
    return hashlib.sha256(head + b"\n" + body).hexdigest()
