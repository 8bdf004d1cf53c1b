"""Which addresses are the open internet, in every spelling."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from visavis.net.addresses import embedded, is_metadata, is_public, literal

INNER = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::10.0.0.1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "100::1",
    "2001:db8::1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",
    "2002:0a00:0001::1",
    "2002:0808:0808::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2a00:1450::5efe:10.0.0.1",
    "2a00:1450::200:5efe:192.168.0.1",
]
OUTER = [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "2a00:1450:4001::1",
    "2606:4700::1111",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("text", INNER)
def test_inner_addresses_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", OUTER)
def test_open_addresses_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
    ],
)
def test_every_spelling_of_an_address_is_understood(host: str) -> None:
    assert literal(host) == IPv4Address("127.0.0.1")


@pytest.mark.parametrize("host", ["example.com", "", "1.2.3.4.5", "127.0.0.1 x", "café", "0x"])
def test_names_are_no_addresses(host: str) -> None:
    assert literal(host) is None


def test_tunnels_are_seen_through() -> None:
    def inner(text: str) -> str:
        return str(embedded(IPv6Address(text)))

    assert inner("64:ff9b::a9fe:a9fe") == "169.254.169.254"
    assert inner("2002:7f00:1::") == "127.0.0.1"
    assert inner("2001:0:4136:e378:8000:63bf:3fff:fdd2") == "192.0.2.45"
    assert inner("2a00::5efe:7f00:1") == "127.0.0.1"
    assert inner("::7f00:1") == "127.0.0.1"
    assert embedded(IPv6Address("2606:4700::1111")) is None


def test_metadata_is_known_through_tunnels() -> None:
    assert is_metadata(ip_address("169.254.169.254"))
    assert is_metadata(ip_address("fd00:ec2::254"))
    assert is_metadata(ip_address("64:ff9b::a9fe:a9fe"))
    assert not is_metadata(ip_address("169.254.1.1"))
