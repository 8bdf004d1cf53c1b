from itertools import pairwise

import pytest

from visavis.caller.rtp_clock import ArrivalClock, CaptureClock, Unwrapper

_NTP = 1 << 32


def test_unwrapping_goes_on_over_the_end_and_back() -> None:
    unwrapper = Unwrapper()
    assert unwrapper.unwrap(_NTP - 10) == _NTP - 10
    assert unwrapper.unwrap(20) == _NTP + 20
    assert unwrapper.unwrap(_NTP - 5) == _NTP - 5


def test_arrival_clock_takes_out_jitter() -> None:
    clock = ArrivalClock(48_000)
    jitter = (0.0, 0.004, 0.001, 0.012, 0.002)
    places = [clock.place(n * 960, 5.0 + n * 0.02 + jitter[n % 5]) for n in range(200)]
    steps = [later - earlier for earlier, later in pairwise(places)]
    assert steps == pytest.approx([0.02] * 199)
    assert places[-1] == pytest.approx(5.0 + 199 * 0.02, abs=0.012)


def test_arrival_clock_follows_a_sender_that_paused() -> None:
    clock = ArrivalClock(48_000)
    for n in range(100):
        clock.place(n * 960, n * 0.02)
    late = [clock.place(n * 960, n * 0.02 + 0.3) for n in range(100, 200)]
    assert late[-1] == pytest.approx(199 * 0.02 + 0.3)


def test_capture_clock_knows_nothing_before_a_report() -> None:
    assert CaptureClock(90_000).captured_s(0) is None


def test_capture_clock_reads_each_time_by_the_nearest_report() -> None:
    clock = CaptureClock(90_000)
    clock.report(1_000_000, 100 * _NTP)
    clock.report(1_900_000, 110 * _NTP + _NTP // 2)  # the sender stood still for half a second
    assert clock.captured_s(1_090_000) == pytest.approx(101.0)
    assert clock.captured_s(1_000_000 - 90_000) == pytest.approx(99.0)
    assert clock.captured_s(1_810_000) == pytest.approx(109.5)
    assert clock.captured_s(1_990_000) == pytest.approx(111.5)
