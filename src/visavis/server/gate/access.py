"""Who calls, and what they may do.

Three kinds of callers: an API key with scopes; a room token, good for one session; and a program
on this machine, which may do everything unless ``VISAVIS_REQUIRE_KEY`` says otherwise.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Request

from visavis.agents.scopes import Scope
from visavis.server.errors import Problem
from visavis.server.gate.rates import network_of
from visavis.server.services import Provided, Services
from visavis.settings import Settings

_LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone who was let in. ``actor`` is how logs and the audit name them."""

    kind: Literal["home", "key", "room"]
    actor: str
    scopes: frozenset[str] = frozenset()

    def may(self, scope: str) -> bool:
        return "*" in self.scopes or scope in self.scopes


HOME = Caller("home", "home", frozenset({"*"}))


def bearer(request: Request) -> str | None:
    """The token of the ``Authorization`` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def require(scope: Scope) -> Callable[[Request, Services], Awaitable[Caller]]:
    """A dependency: lets in who may do ``scope`` anywhere on this server."""

    async def check(request: Request, services: Provided) -> Caller:
        return await identify(request, services, scope)

    return check


async def identify(request: Request, services: Services, scope: Scope | None = None) -> Caller:
    """The caller, if they may do ``scope`` (None: whoever they are).

    Raises ``Problem``: ``key_missing``, ``key_invalid``, ``key_expired``, ``key_revoked``,
    ``scope_missing``.
    """
    token = bearer(request)
    if token is None:
        if is_at_home(request, services.settings):
            return HOME
        raise Problem("key_missing", "Send an API key as Authorization: Bearer.")
    key = await services.keys.find(token)
    caller = Caller("key", f"key:{key.id}", key.scopes)
    if scope is not None and not caller.may(scope):
        problem = Problem("scope_missing", f"The key {key.prefix} does not have {scope!r}.")
        problem.members["scope"] = scope
        problem.actor = caller.actor
        raise problem
    return caller


def check_room_token(
    services: Services,
    session_id: str,
    token: str | None,
    *,
    joining: bool,
    origin: str | None = None,
) -> None:
    """Raise unless ``token`` opens this room; its deadline counts only for joining."""
    if token is None:
        raise Problem("token_missing", "Send the room token as Authorization: Bearer.")
    services.tokens.check(token, session_id, joining=joining, origin=origin)


async def check_owner(
    services: Services, session_id: str, request: Request, scope: Scope
) -> Caller:
    """The caller, if they hold this session's room token, or ``scope`` over all sessions."""
    token = bearer(request)
    if token is not None and token.count(".") == 2:  # a JWT, so no API key
        origin = request.headers.get("origin")
        check_room_token(services, session_id, token, joining=False, origin=origin)
        return Caller("room", f"room:{session_id}")
    return await identify(request, services, scope)


def is_at_home(request: Request, settings: Settings) -> bool:
    """Whether a program on this machine asks.

    A browser counts only when it shows our own page, so that no other site can borrow its
    loopback. Behind a proxy nobody counts: it may forward strangers as if they were local.
    """
    if settings.require_key or _is_public(settings):
        return False
    if request.client is None or not _is_loopback(request.client.host):
        return False
    if "x-forwarded-for" in request.headers or request.url.hostname not in _LOCAL_HOSTS:
        return False
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{request.url.netloc}":
        return False
    return request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def network(request: Request, settings: Settings) -> str:
    """Where the request comes from, as rate limits count it: an IPv4 address or an IPv6 /64.

    Behind a proxy of ours (``VISAVIS_PUBLIC_URL`` is set and the peer is in a private network)
    the last ``X-Forwarded-For`` entry counts, which is the one that the proxy itself wrote.
    """
    peer = request.client.host if request.client else ""
    forwarded = request.headers.getlist("x-forwarded-for")
    if settings.public_url and forwarded and _is_private(peer):
        return network_of(forwarded[-1].rpartition(",")[2].strip())
    return network_of(peer)


def _is_public(settings: Settings) -> bool:
    host = urlsplit(settings.public_url or "http://localhost").hostname or ""
    return not (host in _LOCAL_HOSTS or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private
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
AvatarsRead = Annotated[Caller, Depends(require("avatars:read"))]
AvatarsWrite = Annotated[Caller, Depends(require("avatars:write"))]
KeysRead = Annotated[Caller, Depends(require("keys:read"))]
KeysWrite = Annotated[Caller, Depends(require("keys:write"))]
