"""Who may join a room, and who may read a session."""

from ipaddress import ip_address

from fastapi import Request

from visavis.server.errors import Problem
from visavis.server.services import Services

_LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


def bearer(request: Request) -> str | None:
    """The token of the ``Authorization`` header."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def check_room_token(
    services: Services, session_id: str, token: str | None, *, joining: bool
) -> None:
    """Raise unless ``token`` opens this room; its deadline counts only for joining."""
    if token is None:
        raise Problem("token_missing", "Send the room token as Authorization: Bearer.")
    services.tokens.check(token, session_id, joining=joining)


def check_owner(services: Services, session_id: str, request: Request) -> None:
    """Raise unless the caller holds the room token or is at home on this machine.

    Until there are API keys, programs on this machine may read and end sessions. A browser
    counts only when it shows our own page, so that no other site can borrow its loopback.
    """
    token = bearer(request)
    if token is not None:
        check_room_token(services, session_id, token, joining=False)
    elif not _is_at_home(request):
        raise Problem("read_refused", "Send the session's room token as Authorization: Bearer.")


def _is_at_home(request: Request) -> bool:
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
