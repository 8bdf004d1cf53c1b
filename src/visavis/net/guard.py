"""The guard: decides, for every connection, which addresses may be called."""

import asyncio
import re
from collections.abc import Sequence
from ipaddress import ip_address

import httpx2

from visavis.net.addresses import METADATA_NAMES, Address, is_public, literal, unmapped
from visavis.net.allow import AllowList, is_local_name, spelled
from visavis.net.errors import OutgoingError
from visavis.net.resolver import Resolve

RESOLVE_S = 5.0
MAX_ADDRESSES = 4
"""No more are tried, in the resolver's order."""

REFUSED = "That address may not be called."

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class Guard:
    """Knows what may be called. Names are looked up here and nowhere else."""

    def __init__(self, allow: Sequence[str], resolve: Resolve) -> None:
        self._allow = AllowList(allow)
        self._resolve = resolve

    def check_url(self, url: str | httpx2.URL) -> httpx2.URL:
        """Everything that can be said without a look-up. Raises ``OutgoingError``."""
        try:
            parsed = httpx2.URL(url)
            host = parsed.host  # raises where an ``xn--`` name is malformed
        except (httpx2.InvalidURL, TypeError, ValueError):
            raise OutgoingError("url_refused", "That is no URL that can be called.") from None
        if parsed.scheme not in ("http", "https") or not host:
            raise OutgoingError("url_refused", "Only http and https URLs can be called.")
        if parsed.userinfo:
            raise OutgoingError("url_refused", "A URL must not carry a user name or password.")
        port = port_of(parsed)
        if not 0 < port < 1 << 16:
            raise OutgoingError("url_refused", "The URL's port is not from 1 to 65535.")
        host = spelled(parsed.raw_host.decode("ascii"))
        address = literal(host)
        if address is None and is_local_name(host):
            address = ip_address("127.0.0.1")
        if address is not None:
            self._check(host, port, address)
        elif not _NAME.fullmatch(host):
            raise OutgoingError("url_refused", "The URL's host is no name.")
        return parsed

    async def addresses(self, host: str, port: int) -> list[str]:
        """Where to connect for ``host``: all of its addresses, each allowed.

        Raises ``OutgoingError`` (``url_refused`` when any of them is not allowed).
        """
        host = spelled(host)
        address = literal(host)
        found = [address] if address is not None else await self._look_up(host)
        for address in found:
            self._check(host, port, address)
        return [str(address) for address in found[:MAX_ADDRESSES]]

    async def _look_up(self, host: str) -> list[Address]:
        try:
            async with asyncio.timeout(RESOLVE_S):
                answers = await self._resolve(host)
        except TimeoutError:
            raise OutgoingError("unreachable", "The host's name was not found in time.") from None
        except OSError:
            raise OutgoingError("unreachable", "The host's name was not found.") from None
        if not answers:
            raise OutgoingError("unreachable", "The host's name was not found.")
        return [unmapped(ip_address(answer)) for answer in answers]

    def _check(self, host: str, port: int, address: Address) -> None:
        free = is_public(address) and host not in METADATA_NAMES
        if not free and (host, port, address) not in self._allow:
            raise OutgoingError("url_refused", REFUSED)


def port_of(url: httpx2.URL) -> int:
    """The port that is called, written or not."""
    if url.port is not None:
        return url.port
    return 443 if url.scheme == "https" else 80
