"""When a message is sent again, and for how long at all."""

import random
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_MINUTE = 60.0
_HOUR = 3600.0
LONGEST_WISH_S = 24 * _HOUR
"""A receiver that asks for more time than this is tried after it all the same."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """``waits_s``: seconds before the second attempt, the third, …; after the last it failed.

    ``jitter``: each wait is longer by up to this share, so that not all come back at once.
    """

    waits_s: tuple[float, ...] = (
        5.0,
        30.0,
        2 * _MINUTE,
        10 * _MINUTE,
        1 * _HOUR,
        3 * _HOUR,
        8 * _HOUR,
        24 * _HOUR,
        24 * _HOUR,
        24 * _HOUR,
    )
    jitter: float = 0.1

    def wait_s(self, number: int, wish_s: float = 0.0) -> float | None:
        """Seconds to wait after attempt ``number`` (from 1); None when it was the last.

        ``wish_s``: the receiver asked to be left alone for so long.
        """
        if number > len(self.waits_s):
            return None
        wait_s = max(self.waits_s[number - 1], min(wish_s, LONGEST_WISH_S))
        return wait_s * (1 + self.jitter * random.random())


def retry_after_s(text: str, now_s: float) -> float:
    """The seconds that a ``Retry-After`` header asks for, at ``now_s`` (Unix time); 0: none."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WISH_S)
    try:
        moment = parsedate_to_datetime(text)
        wish_s = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now_s
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return min(max(wish_s, 0.0), LONGEST_WISH_S)
