"""The allow-list: what each entry covers, and what it does not."""

from ipaddress import ip_address

import pytest

from visavis.net.allow import AllowError, AllowList, spelled


def allowed(entry: str, host: str, port: int = 80, address: str = "10.0.0.5") -> bool:
    return (host, port, ip_address(address)) in AllowList([entry])


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "is_allowed"),
    [
        ("tools.lan", "tools.lan", 80, "10.0.0.5", True),
        ("Tools.LAN.", "tools.lan", 80, "10.0.0.5", True),
        ("tools.lan", "more.tools.lan", 80, "10.0.0.5", False),
        ("*.lan", "tools.lan", 80, "10.0.0.5", True),
        ("*.lan", "a.b.lan", 80, "10.0.0.5", True),
        ("*.lan", "lan", 80, "10.0.0.5", False),
        ("*.lan", "evil-lan", 80, "10.0.0.5", False),
        ("tools.lan:8080", "tools.lan", 8080, "10.0.0.5", True),
        ("tools.lan:8080", "tools.lan", 80, "10.0.0.5", False),
        ("10.0.0.5", "anything", 80, "10.0.0.5", True),
        ("10.0.0.5:81", "anything", 80, "10.0.0.5", False),
        ("10.0.0.0/8", "anything", 80, "10.9.9.9", True),
        ("10.0.0.0/8", "anything", 80, "192.168.0.1", False),
        ("10.1.2.3/8", "anything", 80, "10.9.9.9", True),
        ("::1", "anything", 80, "::1", True),
        ("[::1]:9000", "anything", 9000, "::1", True),
        ("[::1]:9000", "anything", 9001, "::1", False),
        ("fd00::/8", "anything", 80, "fd12::1", True),
    ],
)
def test_entries(entry: str, host: str, port: int, address: str, is_allowed: bool) -> None:
    assert allowed(entry, host, port, address) is is_allowed


@pytest.mark.parametrize(
    ("entry", "host", "is_allowed"),
    [
        ("169.254.0.0/16", "169.254.169.254", False),
        ("0.0.0.0/0", "169.254.169.254", False),
        ("*.internal", "metadata.google.internal", False),
        ("tools.lan", "tools.lan", False),
        ("169.254.169.254", "169.254.169.254", True),
        ("169.254.169.254/32", "169.254.169.254", True),
        ("metadata.google.internal", "metadata.google.internal", True),
    ],
)
def test_metadata_needs_an_entry_of_its_own(entry: str, host: str, is_allowed: bool) -> None:
    assert allowed(entry, host, 80, "169.254.169.254") is is_allowed


@pytest.mark.parametrize(
    "entry", ["", "*", "http://tools.lan", "tools.lan:0", "tools.lan:99999", "a b", "10.0.0.0/64"]
)
def test_meaningless_entries_are_errors(entry: str) -> None:
    with pytest.raises(AllowError):
        AllowList([entry])


def test_one_spelling_for_every_host() -> None:
    assert spelled("Example.COM.") == "example.com"
    assert spelled("0x7f.1") == "127.0.0.1"
    assert spelled("::FFFF:10.0.0.1") == "10.0.0.1"
