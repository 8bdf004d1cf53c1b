import pytest

from visavis.caller.sync import Transit, measure_skew


def _stream(period_s: float, transit_s: float, count: int) -> list[Transit]:
    return [Transit(n * period_s, 1e6 + n * period_s + transit_s) for n in range(count)]


def test_late_sound_is_positive() -> None:
    skew = measure_skew(_stream(0.02, 0.075, 500), _stream(0.04, 0.030, 250))
    assert skew is not None
    assert skew.median_ms == pytest.approx(45, abs=0.2)
    assert skew.p95_abs_ms == pytest.approx(45, abs=0.2)
    assert skew.frames == 250


def test_clocks_of_two_machines_cancel_out() -> None:
    here, there = _stream(0.02, 3600.05, 100), _stream(0.04, 3600.05, 50)
    skew = measure_skew(here, there)
    assert skew is not None
    assert skew.median_ms == pytest.approx(0, abs=0.2)


def test_a_stall_shows_in_the_tail_not_in_the_median() -> None:
    video = _stream(0.04, 0.03, 100)
    video[40:50] = [Transit(t.captured_s, t.arrived_s + 0.2) for t in video[40:50]]
    skew = measure_skew(_stream(0.02, 0.03, 200), video)
    assert skew is not None
    assert abs(skew.median_ms) < 1
    assert skew.p95_abs_ms == pytest.approx(200, abs=1)


def test_nothing_to_compare() -> None:
    assert measure_skew([], _stream(0.04, 0, 10)) is None
    assert measure_skew(_stream(0.02, 0, 10), [Transit(99.0, 99.0)]) is None
