"""How much of the API one caller may use."""

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visavis.server.errors import Problem, respond
from visavis.server.gate.access import bearer, is_at_home, network
from visavis.server.services import Services
from visavis.storage.keys import KEY_START

_FREE = ("/healthz", "/readyz", "/assets/")
"""Cost nothing, and have to answer whoever asks."""


class RateLimitMiddleware:
    """Counts requests per API key, or per address for those without a valid one.

    Programs on this machine are not counted, unless they show a key. It asks no database: a key
    counts as one once it has been let in.
    """

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_FREE):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        counted = self._counted_as(request)
        if counted is None:
            await self._app(scope, receive, send)
            return
        verdict = self._services.rates.api.hit(counted)
        if not verdict.allowed:
            problem = Problem("rate_limited", retry_s=verdict.reset_s)
            problem.headers = verdict.headers
            await respond(request, problem)(scope, receive, send)
            return

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in verdict.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, note)

    def _counted_as(self, request: Request) -> str | None:
        """The name to count by; None counts nothing."""
        token = bearer(request)
        if token is not None and token.startswith(KEY_START):
            key = self._services.keys.known(token)
            if key is not None:
                return f"key:{key.id}"
        elif is_at_home(request, self._services.settings):
            return None
        return network(request, self._services.settings)
