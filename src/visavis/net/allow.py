"""The allow-list: private hosts and networks that may be called all the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from visavis.net.addresses import (
    METADATA_NAMES,
    Address,
    Network,
    is_metadata,
    literal,
    network,
)

_MARKS = str.maketrans("", "", "-_.")


class AllowError(ValueError):
    """An entry that is neither host, address nor network."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One of: a name (``*.x`` for all below x), an address or a network; and maybe a port."""

    name: str | None
    net: Network | None
    port: int | None

    @classmethod
    def parse(cls, text: str) -> "Entry":
        """``host``, ``*.host``, ``10.0.0.5``, ``10.0.0.0/8``, ``[::1]``; ``:port`` may follow.

        Raises ``AllowError``.
        """
        host, port = _split_port(text.strip().lower())
        try:
            return cls(None, network(host), port)
        except ValueError:
            pass
        name = host.rstrip(".")
        if "/" in host or not name.removeprefix("*.").translate(_MARKS).isalnum():
            raise AllowError(f"{text!r} is no host, address or network")
        return cls(name, None, port)

    def names(self, host: str) -> bool:
        """Whether this entry means ``host`` by its name."""
        if self.name is None:
            return False
        if self.name.startswith("*."):
            return host.endswith(self.name[1:])
        return host == self.name

    def covers(self, address: Address) -> bool:
        return self.net is not None and address in self.net

    @property
    def is_single(self) -> bool:
        """One host, not a family of them."""
        if self.net is not None:
            return self.net.num_addresses == 1
        return self.name is not None and not self.name.startswith("*.")


class AllowList:
    def __init__(self, entries: Sequence[str]) -> None:
        self._entries = tuple(Entry.parse(text) for text in entries)

    def __contains__(self, target: tuple[str, int, Address]) -> bool:
        """Whether this host, port and address were allowed by someone.

        A metadata address needs an entry for exactly it: a name or a network is not enough.
        """
        host, port, address = target
        for entry in self._entries:
            if entry.port not in (None, port):
                continue
            if is_metadata(address) or host in METADATA_NAMES:
                if entry.is_single and (entry.covers(address) or _is_named(entry, host)):
                    return True
            elif entry.names(host) or entry.covers(address):
                return True
        return False


def _is_named(entry: Entry, host: str) -> bool:
    return host in METADATA_NAMES and entry.names(host)


def _split_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, _port(rest[1:], text) if rest else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, _port(port, text)
    return text, None


def _port(digits: str, text: str) -> int:
    if not digits.isdigit() or not 0 < int(digits) < 1 << 16:
        raise AllowError(f"{text!r} has no port from 1 to 65535")
    return int(digits)


def is_local_name(host: str) -> bool:
    """Names that mean this very machine, whatever a resolver says."""
    return host == "localhost" or host.endswith(".localhost")


def spelled(host: str) -> str:
    """One spelling for every host: lower case, no dot at the end, plain IPv4 and IPv6."""
    host = host.lower().rstrip(".")
    address = literal(host)
    return host if address is None else str(address)
