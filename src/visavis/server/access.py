"""Who calls, and what they may do.

Three kinds of callers: an API key with scopes; a room token, good for one session; and a program
on this machine, which may do everything unless ``VISAVIS_REQUIRE_KEY`` says otherwise.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Literal

from fastapi import Depends, Request

from visavis.agents.scopes import Scope
from visavis.server.errors import Problem
from visavis.server.services import Provided, Services

_LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone who was let in. ``actor`` is how logs and the audit name them."""

    kind: Literal["home", "key", "room"]
    actor: str


def bearer(request: Request) -> str | None:
    """The token of the ``Authorization`` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def require(scope: Scope) -> Callable[[Request, Services], Awaitable[Caller]]:
    """A dependency: lets in who may do ``scope`` anywhere on this server."""

    async def check(request: Request, services: Provided) -> Caller:
        return await identify(request, services, scope)

    return check


async def identify(request: Request, services: Services, scope: Scope) -> Caller:
    """The caller, if they may do ``scope``. Raises ``Problem``."""
    if bearer(request) is None and is_at_home(request, services):
        return Caller("home", "home")
    raise Problem("key_missing", "Send an API key as Authorization: Bearer.")


def check_room_token(
    services: Services, session_id: str, token: str | None, *, joining: bool
) -> None:
    """Raise unless ``token`` opens this room; its deadline counts only for joining."""
    if token is None:
        raise Problem("token_missing", "Send the room token as Authorization: Bearer.")
    services.tokens.check(token, session_id, joining=joining)


async def check_owner(
    services: Services, session_id: str, request: Request, scope: Scope
) -> Caller:
    """The caller, if they hold this session's room token, or ``scope`` over all sessions."""
    token = bearer(request)
    if token is not None and token.count(".") == 2:  # a JWT, so no API key
        check_room_token(services, session_id, token, joining=False)
        return Caller("room", f"room:{session_id}")
    return await identify(request, services, scope)


def is_at_home(request: Request, services: Services) -> bool:
    """Whether a program on this machine asks.

    A browser counts only when it shows our own page, so that no other site can borrow its
    loopback.
    """
    if services.settings.require_key:
        return False
    if request.client is None or not _is_loopback(request.client.host):
        return False
    if "x-forwarded-for" in request.headers or request.url.hostname not in _LOCAL_HOSTS:
        return False
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{request.url.netloc}":
        return False
    return request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


AgentsRead = Annotated[Caller, Depends(require("agents:read"))]
AgentsWrite = Annotated[Caller, Depends(require("agents:write"))]
ToolsRead = Annotated[Caller, Depends(require("tools:read"))]
ToolsWrite = Annotated[Caller, Depends(require("tools:write"))]
SessionsRead = Annotated[Caller, Depends(require("sessions:read"))]
SessionsWrite = Annotated[Caller, Depends(require("sessions:write"))]
WebhooksRead = Annotated[Caller, Depends(require("webhooks:read"))]
WebhooksWrite = Annotated[Caller, Depends(require("webhooks:write"))]
AnalyticsRead = Annotated[Caller, Depends(require("analytics:read"))]
KeysRead = Annotated[Caller, Depends(require("keys:read"))]
KeysWrite = Annotated[Caller, Depends(require("keys:write"))]
