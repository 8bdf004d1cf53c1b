import pytest

from visavis.server.gate import rates
from visavis.server.gate.rates import MovingWindow, network_of


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(rates, "time", clock)
    return clock


def test_a_window_moves_with_time(clock):
    window = MovingWindow("x", "3/minute")
    for second in (0, 10, 20):
        clock.now = 1000.0 + second
        assert window.hit("a").allowed
    refused = window.hit("a")
    assert (refused.allowed, refused.remaining, refused.reset_s) == (False, 0, 40)
    assert refused.headers == {"RateLimit-Policy": '"x";q=3;w=60', "RateLimit": '"x";r=0;t=40'}
    assert window.hit("b").allowed
    clock.now = 1060.0
    assert window.hit("a").allowed  # the first hit has left, the refused one never counted
    assert not window.hit("a").allowed


def test_memory_is_bounded_whoever_asks(monkeypatch, clock):
    monkeypatch.setattr(rates, "MAX_CALLERS", 10)
    window = MovingWindow("x", "2/minute")
    for _ in range(2):
        window.hit("busy")
    for number in range(1000):
        window.hit(f"flood {number}")
        assert not window.hit("busy").allowed  # who keeps asking is not forgotten
    assert len(window._hits) == 10
    monkeypatch.setattr(rates, "MAX_TIMES", 50)
    window = MovingWindow("x", "40/minute")
    for number in range(400):
        window.hit(f"caller {number % 4}")
    assert window._kept == sum(map(len, window._hits.values()))
    assert window._kept <= 50


@pytest.mark.parametrize("rate", ["", "many", "3/fortnight", "minute"])
def test_a_rate_that_cannot_be_read_is_said_so(rate):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the words
        MovingWindow("x", rate)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("garbage", "unknown"),
        ("", "unknown"),
    ],
)
def test_an_ipv6_home_is_one_caller(address, network):
    assert network_of(address) == network
