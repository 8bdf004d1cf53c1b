"""How often someone may ask: moving windows in memory, bounded however many ask.

The ``limits`` package reads the settings' words; its own memory storage is not used, because it
starts a thread for every burst and never forgets a caller.
"""

import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItem, parse

MAX_CALLERS = 10_000
MAX_TIMES = 200_000
"""Bounds of one limit's memory; past them, whoever was quiet for longest is forgotten."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``remaining`` requests are left now; the window has room again in ``reset_s`` seconds."""

    allowed: bool
    remaining: int
    reset_s: int
    policy: str
    """The limit, as the ``RateLimit-Policy`` header puts it."""

    @property
    def headers(self) -> dict[str, str]:
        name, _, _ = self.policy.partition(";")
        return {
            "RateLimit-Policy": self.policy,
            "RateLimit": f"{name};r={self.remaining};t={self.reset_s}",
        }


class MovingWindow:
    """At most so many hits of one caller within any window. ``rate``: ``"30/minute"``.

    Raises ``ValueError`` where ``rate`` cannot be read.
    """

    def __init__(self, name: str, rate: str) -> None:
        limit: RateLimitItem = parse(rate)
        self._amount = limit.amount
        self._window_s = limit.get_expiry()
        self._policy = f'"{name}";q={self._amount};w={self._window_s}'
        self._hits: OrderedDict[str, deque[float]] = OrderedDict()
        self._kept = 0

    def hit(self, caller: str) -> Verdict:
        """Count one request of ``caller``; a refused one does not count."""
        now = time.monotonic()
        times = self._hits.setdefault(caller, deque())
        self._hits.move_to_end(caller)
        while times and times[0] <= now - self._window_s:
            times.popleft()
            self._kept -= 1
        allowed = len(times) < self._amount
        if allowed:
            times.append(now)
            self._kept += 1
            self._forget()
        wait_s = times[0] + self._window_s - now if times else self._window_s
        return Verdict(allowed, self._amount - len(times), max(1, round(wait_s)), self._policy)

    def _forget(self) -> None:
        while len(self._hits) > 1 and (len(self._hits) > MAX_CALLERS or self._kept > MAX_TIMES):
            _, times = self._hits.popitem(last=False)
            self._kept -= len(times)


@dataclass(frozen=True, slots=True)
class Rates:
    """The limits of this server, each counted per caller."""

    api: MovingWindow
    start: MovingWindow


def network_of(address: str) -> str:
    """What counts as one caller: an IPv4 address, or a /64, which is one IPv6 home."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
    return str(parsed)
