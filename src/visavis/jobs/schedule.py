"""When a message is sent again, and for how long at all."""

import random
from dataclasses import dataclass

_MINUTE = 60.0
_HOUR = 3600.0


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

    def wait_s(self, number: int) -> float | None:
        """Seconds to wait after attempt ``number`` (from 1); None when it was the last."""
        if number > len(self.waits_s):
            return None
        return self.waits_s[number - 1] * (1 + self.jitter * random.random())
