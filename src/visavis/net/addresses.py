"""Which addresses belong to the open internet, and which never do, however they are written."""

import socket
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's inner service on a public number
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_PUBLIC_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)

METADATA = frozenset(
    ip_address(text)
    for text in (
        "168.63.129.16",
        "169.254.169.253",
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::253",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
"""Where clouds hand credentials to whoever asks."""

METADATA_NAMES = frozenset(
    (
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",
        "instance-data.ec2.internal",
    )
)


def literal(host: str) -> Address | None:
    """The address that ``host`` spells: dotted, decimal, octal, hex, short or IPv6."""
    try:
        return unmapped(ip_address(host))
    except ValueError:
        pass
    if not host or not host.isascii() or any(mark.isspace() for mark in host):
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def unmapped(address: Address) -> Address:
    """An IPv4-mapped address as the IPv4 address that is really called."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_public(address: Address) -> bool:
    """Whether it is a single host on the open internet, tunnels seen through."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    inner = embedded(address)
    if inner is not None and not is_public(inner):
        return False
    if address in _NAT64:
        return True
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def is_metadata(address: Address) -> bool:
    inner = embedded(address) if isinstance(address, IPv6Address) else None
    return address in METADATA or inner in METADATA


def embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a NAT64, 6to4, Teredo, ISATAP or compatible address carries."""
    number = int(address)
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    compatible = number >> 32 == 0
    isatap = (number >> 32) & 0xFFFF_FFFF in _ISATAP
    if address.ipv4_mapped is not None or address in _NAT64 or compatible or isatap:
        return IPv4Address(number & 0xFFFF_FFFF)
    return None


def network(text: str) -> Network:
    """Raises ``ValueError``."""
    return ip_network(text, strict=False)
