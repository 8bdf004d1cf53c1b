"""Following redirects without taking along what was meant for somebody else."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from visavis.net.errors import OutgoingError
from visavis.net.guard import port_of

STATUSES = frozenset((301, 302, 303, 307, 308))
_HARMLESS = frozenset(("accept", "accept-language", "content-type", "user-agent"))
"""All that another origin gets to see: anything else may be somebody's key."""


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    url: httpx2.URL
    headers: Mapping[str, str]
    body: bytes | None


def redirected(call: Call, status: int, location: str) -> Call:
    """The call that a redirect asks for. Raises ``OutgoingError`` (``redirect_refused``)."""
    try:
        url = call.url.join(location)
    except (httpx2.InvalidURL, ValueError):
        raise OutgoingError("redirect_refused", "It redirects to no usable URL.") from None
    if call.url.scheme == "https" and url.scheme != "https":
        raise OutgoingError("redirect_refused", "It redirects from https to something open.")
    headers = dict(call.headers)
    if _origin(url) != _origin(call.url):
        headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
    becomes_get = status == 303 or (status in (301, 302) and call.method == "POST")
    if becomes_get and call.method != "HEAD":
        headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        return Call("GET", url, headers, None)
    return Call(call.method, url, headers, call.body)


def _origin(url: httpx2.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host.lower(), port_of(url)
