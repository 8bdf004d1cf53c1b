"""When a message is sent again."""

import pytest

from visavis.jobs.schedule import Schedule, retry_after_s


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


def test_who_asks_for_time_gets_it_up_to_a_day() -> None:
    schedule = Schedule((100.0, 5 * 86_400.0), jitter=0)
    assert [schedule.wait_s(1, wish) for wish in (0, 50, 300, 1e9)] == [100, 100, 300, 86_400]
    assert schedule.wait_s(2, 300) == 5 * 86_400
    assert schedule.wait_s(3, 300) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("9" * 5000, 86_400),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2015 07:28:30 -0000", 30),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Wed, 21 Oct 9999 07:28:30 GMT", 86_400),
        *((text, 0) for text in ("", "-5", "1.5", "nan", "inf", "²", "soon", "Wed, 99 Oct 2015")),
    ],
)
def test_what_a_receiver_asks_for(text: str, seconds: float) -> None:
    assert retry_after_s(text, 1_445_412_480) == seconds
