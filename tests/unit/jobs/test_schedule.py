"""When a message is sent again."""

from visavis.jobs.schedule import Schedule


def test_waits_grow_to_days_and_end() -> None:
    schedule = Schedule(jitter=0)
    waits = [schedule.wait_s(number) for number in range(1, 12)]
    assert waits[:4] == [5, 30, 120, 600]
    assert waits[-1] is None
    known = [wait for wait in waits if wait is not None]
    assert known == sorted(known)
    assert 3 * 86_400 < sum(known) < 4 * 86_400


def test_jitter_only_lengthens() -> None:
    schedule = Schedule((100.0,), jitter=0.1)
    waits = {schedule.wait_s(1) for _ in range(200)}
    assert len(waits) > 100
    assert all(wait is not None and 100 <= wait <= 110 for wait in waits)
