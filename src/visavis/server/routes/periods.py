"""Which time an analytics request is about, and its intervals. All in UTC."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator

from visavis.api.analytics import Interval
from visavis.server.errors import Problem
from visavis.sessions.live import now_ms

LONGEST_DAYS = 400
LONGEST_HOURLY_DAYS = 31
_DEFAULT = timedelta(days=30)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 1, 1, tzinfo=UTC)


def _no_number(value: object) -> object:
    """Pydantic would take ``7`` for a moment in 1970."""
    if isinstance(value, str) and "-" not in value[1:]:
        raise ValueError("a date and time as in 2026-11-23T14:00:00Z")
    return value


Moment = Annotated[datetime, BeforeValidator(_no_number)]
From = Annotated[
    Moment | None,
    Query(
        alias="from",
        description="Sessions requested then or later (ISO 8601; UTC unless it says otherwise). "
        f"Default: 30 days before ``to``; at most {LONGEST_DAYS} days.",
        examples=["2026-11-01T00:00:00Z"],
    ),
]
To = Annotated[
    Moment | None,
    Query(description="Sessions requested before then. Default: now."),
]


def period(from_: datetime | None, to: datetime | None) -> tuple[datetime, datetime]:
    """Both ends, made whole. Raises ``Problem`` where they are apart too far or the wrong way."""
    end = _plain(to) if to is not None else datetime.fromtimestamp(now_ms() / 1000 + 1, UTC)
    start = _plain(from_) if from_ is not None else max(end - _DEFAULT, _EPOCH)
    if start > end:
        raise _refusal("from", "from lies after to.")
    if end - start > timedelta(days=LONGEST_DAYS):
        raise _refusal("from", f"At most {LONGEST_DAYS} days at once.")
    return start, end


def intervals(start: datetime, end: datetime, interval: Interval) -> Iterator[datetime]:
    """When the hours, days, weeks (from Monday) or months begin that cover the period."""
    if interval == "hour" and end - start > timedelta(days=LONGEST_HOURLY_DAYS):
        raise _refusal("interval", f"By hour, at most {LONGEST_HOURLY_DAYS} days at once.")
    begin = _floor(start, interval)
    while begin < end:
        yield begin
        begin = _next(begin, interval)


def unix_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _plain(moment: datetime) -> datetime:
    """In UTC, and within what a calendar can count on from."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(aware, _EPOCH), _LAST).astimezone(UTC)


def _floor(moment: datetime, interval: Interval) -> datetime:
    if interval == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if interval == "week":
        return max(day - timedelta(days=day.weekday()), _EPOCH)
    return day.replace(day=1) if interval == "month" else day


def _next(begin: datetime, interval: Interval) -> datetime:
    if interval == "month":
        return (begin + timedelta(days=32)).replace(day=1)
    if interval == "week":
        return begin + timedelta(days=7 - begin.weekday())
    return begin + timedelta(hours=1 if interval == "hour" else 24)


def _refusal(field: str, detail: str) -> Problem:
    problem = Problem("invalid_request", detail)
    problem.members["field"] = field
    return problem
