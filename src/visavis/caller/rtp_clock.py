"""Two clocks for a received stream: when it was here, and when its sender says it was captured.

Both map RTP timestamps. ``ArrivalClock`` maps them to this machine's monotonic clock with the
network's jitter taken out; ``CaptureClock`` to the sender's wall clock, by its RTCP sender
reports (RFC 3550 §6.4.1). The difference between sound and picture on the way from one to the
other is the A/V skew of ``sync.py``.
"""

from bisect import bisect_left
from collections import deque
from statistics import median

_WRAP = 1 << 32
_WINDOW = 25
_JUMP_S = 0.02


class Unwrapper:
    """Turns 32-bit RTP timestamps into integers that never wrap."""

    def __init__(self) -> None:
        self._last: int | None = None

    def unwrap(self, timestamp: int) -> int:
        """The unwrapped value nearest to the last one seen."""
        if self._last is None:
            self._last = timestamp
            return timestamp
        delta = (timestamp - self._last) % _WRAP
        if delta >= _WRAP // 2:
            delta -= _WRAP
        self._last += delta
        return self._last


class ArrivalClock:
    """Places media on the local clock: steady where its RTP clock is, and never adrift of it.

    The offset between the two clocks is the median of the last ``_WINDOW`` arrivals. It is
    kept until that median has moved by more than 20 ms (a sender that paused, a congested
    path), so that sound stays gapless through ordinary jitter.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._offsets: deque[float] = deque(maxlen=_WINDOW)
        self._offset_s: float | None = None

    def place(self, timestamp: int, arrived_s: float) -> float:
        """Seconds on the local clock at which this media is due."""
        self._offsets.append(arrived_s - timestamp / self._rate)
        now = median(self._offsets)
        if self._offset_s is None or abs(now - self._offset_s) > _JUMP_S:
            self._offset_s = now
        return timestamp / self._rate + self._offset_s


class CaptureClock:
    """The sender's wall clock for one stream, from its RTCP sender reports.

    Every report is kept (one in some seconds): after a pause a sender's RTP clock may stand
    differently to its wall clock, so each timestamp is read by the report nearest to it.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._timestamps: list[int] = []
        self._ntp_s: list[float] = []

    def report(self, timestamp: int, ntp: int) -> None:
        """Take a sender report: unwrapped RTP time and 64-bit NTP time of the same moment."""
        at = bisect_left(self._timestamps, timestamp)
        self._timestamps.insert(at, timestamp)
        self._ntp_s.insert(at, ntp / _WRAP)

    def captured_s(self, timestamp: int) -> float | None:
        """Sender's NTP seconds of this RTP time; None before the first report."""
        if not self._timestamps:
            return None
        after = bisect_left(self._timestamps, timestamp)
        around = range(max(0, after - 1), min(after + 1, len(self._timestamps)))
        nearest = min(around, key=lambda index: abs(self._timestamps[index] - timestamp))
        return self._ntp_s[nearest] + (timestamp - self._timestamps[nearest]) / self._rate
