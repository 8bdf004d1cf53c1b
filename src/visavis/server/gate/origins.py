"""Which web sites may start sessions with an agent."""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

from visavis.agents.schema import Agent
from visavis.server.errors import Problem
from visavis.server.gate.access import Caller, bearer, identify, is_at_home, network
from visavis.server.services import Services
from visavis.settings import Settings


async def admit_start(request: Request, services: Services, agent: Agent) -> str | None:
    """Let in who may start a session with ``agent``; answers the origin to bind its token to.

    Anyone may, at the start rate, unless the agent lists its sites: then only those, our own
    page, programs on this machine, and API keys with ``sessions:write``.
    Raises ``Problem``: ``rate_limited``, ``origin_refused``, ``key_…``, ``scope_missing``.
    """
    caller = await _caller(request, services)
    if caller is None:
        _count(request, services)
    origin = request.headers.get("origin")
    allowed = agent.configuration.allowed_origins
    if origin is None:
        if allowed and caller is None:
            raise Problem("key_missing", "This agent is started by its sites, or with an API key.")
        return None
    ours = is_ours(origin, request, services.settings)
    if allowed and not ours and not matches(origin, allowed):
        problem = Problem("origin_refused", "The agent does not list this site.")
        problem.subject = agent.id
        raise problem
    return origin


def matches(origin: str, allowed: Sequence[str]) -> bool:
    """Whether an origin is listed: exactly, or below a ``https://*.example.com``."""
    given = _parts(origin)
    if given is None:
        return False
    scheme, host, port = given
    for entry in allowed:
        wild = "://*." in entry
        listed = _parts(entry.replace("://*.", "://", 1))
        if listed is None or (listed[0], listed[2]) != (scheme, port):
            continue
        if host.endswith("." + listed[1]) if wild else host == listed[1]:
            return True
    return False


def is_ours(origin: str, request: Request, settings: Settings) -> bool:
    """Whether our own page asks.

    The ``Host`` header alone does not tell: any site may let its name point here. It counts only
    where no name is involved; a server with a name says so by ``VISAVIS_PUBLIC_URL``.
    """
    if settings.public_url:
        return _parts(origin) == _parts(settings.public_url)
    host = request.url.hostname or ""
    if host != "localhost" and not _is_address(host):
        return False
    return origin == f"{request.url.scheme}://{request.url.netloc}"


async def _caller(request: Request, services: Services) -> Caller | None:
    """None is the public."""
    if bearer(request) is None and not is_at_home(request, services.settings):
        return None
    return await identify(request, services, "sessions:write")


def _count(request: Request, services: Services) -> None:
    verdict = services.rates.start.hit(network(request, services.settings))
    if not verdict.allowed:
        detail = "Too many sessions were started from here."
        problem = Problem("rate_limited", detail, retry_s=verdict.reset_s)
        problem.headers = verdict.headers
        raise problem


def _parts(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin, comparable; None where it is none (``null``)."""
    try:
        url = urlsplit(origin)
        port = url.port
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or not url.hostname:
        return None
    return url.scheme, url.hostname.rstrip("."), port or (443 if url.scheme == "https" else 80)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
