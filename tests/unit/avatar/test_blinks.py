from collections.abc import Callable

import numpy as np

from visavis.avatar.blinks import Blinks


def begun(lids: list[float]) -> list[int]:
    """The frames at which a blink began."""
    return [n for n in range(1, len(lids)) if lids[n] > 0 and lids[n - 1] == 0]


def course(
    lips: Callable[[int], float], seconds: int = 240, step_us: int = 20_000
) -> tuple[list[float], list[int]]:
    """Lids, frame by frame, where ``lips`` says how firmly lips are closed at a moment (µs)."""
    blinks = Blinks(3)
    times = list(range(0, seconds * 1_000_000, step_us))
    closures = [
        blinks.closure(at, (), (), lambda ago, at=at: lips(at - round(ago * 1e6))) for at in times
    ]
    return closures, times


def test_no_blink_begins_while_lips_are_closed_and_none_is_lost() -> None:
    def often_closed(at_us: int) -> float:
        return float(at_us % 300_000 < 100_000)

    free, _ = course(lambda _: 0.0)
    minding, times = course(often_closed)
    assert any(often_closed(times[n] - 20_000) for n in begun(free)), "some would have"
    late = np.array([times[n] for n in begun(minding)]) - np.array([times[n] for n in begun(free)])
    assert 0 <= late.min() <= late.max() <= 120_000
    for n in begun(minding):
        assert not often_closed(times[n]) or not often_closed(times[n] - 20_000)
    assert max(minding) > 0.99


def test_lips_that_stay_closed_do_not_keep_eyes_open_for_ever() -> None:
    free, _ = course(lambda _: 0.0)
    pressed, _ = course(lambda _: 1.0)
    assert len(begun(pressed)) == len(begun(free))


def test_phrases_often_end_in_a_blink_and_eyes_that_turn_away_always_do() -> None:
    blinks = Blinks(3)

    def shut(moment_us: int, turns: tuple[int, ...], ends: tuple[int, ...]) -> bool:
        return blinks.closure(moment_us + 100_000, turns, ends, lambda _: 0.0) > 0.9

    moments = range(1_000_000, 500_000_000, 1_370_000)
    own = [
        any(
            blinks.closure(at + late, (), (), lambda _: 0.0) > 0
            for late in range(-900_000, 1_200_000, 40_000)
        )
        for at in moments
    ]
    alone = [at for at, near in zip(moments, own, strict=True) if not near]
    assert len(alone) > 50
    assert all(shut(at, (at,), ()) for at in alone)
    assert 0.35 < np.mean([shut(at, (), (at,)) for at in alone]) < 0.65
