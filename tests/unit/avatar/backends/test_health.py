"""When is a backend too slow? Ticks of 40 ms, of which a pattern is fresh."""

import itertools

import pytest

from visavis.avatar.backends.health import Delivery

TICK_US = 40_000


def verdict_after(pattern: list[int], ticks: int, delivery: Delivery | None = None):
    """The first verdict, and how many ticks it took."""
    delivery = delivery or Delivery()
    for n, fresh in zip(range(ticks), itertools.cycle(pattern), strict=False):
        if reason := delivery.note(n * TICK_US, fresh=bool(fresh)):
            return reason, n + 1
    return None, ticks


@pytest.mark.parametrize("pattern", [[1], [1, 1, 1, 1, 0], [0, 1, 1, 1, 1], [1] * 8 + [0, 0]])
def test_twenty_frames_a_second_are_enough(pattern: list[int]):
    assert verdict_after(pattern, 500) == (None, 500)


def test_eighteen_are_not():
    reason, _ = verdict_after([1] * 18 + [0] * 7, 500)
    assert reason is not None
    assert "fewer than 20" in reason


def test_half_the_rate_is_noticed_within_a_second():
    reason, ticks = verdict_after([1, 0], 500)
    assert reason is not None
    assert ticks <= 25


def test_a_still_mouth_is_noticed_after_400_ms():
    delivery = Delivery()
    assert verdict_after([1], 10, delivery)[0] is None
    last_us = 9 * TICK_US
    seen = [delivery.note(last_us + n * TICK_US, fresh=False) for n in range(1, 11)]
    assert seen[:9] == [None] * 9
    assert seen[9] == "no new frame for 400 ms of speech"


def test_silence_between_does_not_count_as_standing_still():
    delivery = Delivery()
    for start in range(0, 20_000_000, 2_000_000):
        assert delivery.note(start, fresh=True) is None
        delivery.rest()
