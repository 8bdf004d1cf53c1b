"""Whether a backend keeps up while it speaks: new frames over the last two seconds."""

from collections import deque

from visavis.media import FPS

MIN_FPS = 20
STALL_S = 0.4
"""A mouth that stands still for so long, while sound plays, is noticed by everyone."""
_WINDOW = 2 * FPS
_MISSES = _WINDOW - 2 * MIN_FPS + 1
"""One more than a backend of exactly 20 frames a second misses, for its jitter."""


class Delivery:
    """Told of every frame that was due during speech, and drawn by us."""

    def __init__(self) -> None:
        self._fresh: deque[bool] = deque(maxlen=_WINDOW)
        self._still_since_us: int | None = None
        self._last_us: int | None = None

    def note(self, at_us: int, *, fresh: bool) -> str | None:
        """A frame was due at ``at_us``, and there was a new one or not.

        Returns, in words, why to give up on the backend; None while it does well enough.
        """
        self._fresh.append(fresh)
        if fresh:
            self._still_since_us = None
        elif self._still_since_us is None:
            self._still_since_us = at_us if self._last_us is None else self._last_us
        self._last_us = at_us
        if self._still_since_us is not None:
            still_s = (at_us - self._still_since_us) / 1e6
            if still_s >= STALL_S:
                return f"no new frame for {still_s * 1000:.0f} ms of speech"
        came = sum(self._fresh)
        if len(self._fresh) - came > _MISSES:
            return f"{came * FPS / len(self._fresh):.0f} frames a second, fewer than {MIN_FPS}"
        return None

    def rest(self) -> None:
        """Speech is over, or pauses: misses still count, standing still does not."""
        self._still_since_us = self._last_us = None
