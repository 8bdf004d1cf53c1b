"""How far sound and picture of one moment reach us apart.

Definition. For each packet, *transit* is its arrival here minus its capture time by the
sender's clock (RTP timestamp mapped through RTCP sender reports). The clocks of the two
machines differ by an unknown constant, the same for both streams, so the *difference* of the
two transits is meaningful although neither is: skew = transit of sound − transit of picture,
positive when sound is late. A frame counts when its last packet arrives; sound at the same
capture moment is the median of the packets captured within 100 ms of it.

So this measures the server's stamping, encoding, pacing and the network. It is what a player's
lip-sync has to correct; it does not look at mouths, and it leaves the player's own jitter
buffers out (``benchmarks/avsync.py`` measures those, in a browser).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_NEAR_S = 0.1


@dataclass(frozen=True, slots=True)
class Transit:
    """One packet or frame: when captured (sender's NTP seconds) and when here (local seconds)."""

    captured_s: float
    arrived_s: float

    @property
    def seconds(self) -> float:
        return self.arrived_s - self.captured_s


@dataclass(frozen=True, slots=True)
class Skew:
    """Milliseconds by which sound came later than its picture, over ``frames`` frames."""

    median_ms: float
    p95_abs_ms: float
    frames: int


def measure_skew(audio: Sequence[Transit], video: Sequence[Transit]) -> Skew | None:
    """A/V skew by the definition above; None when there is nothing to compare."""
    heard = sorted(audio, key=lambda packet: packet.captured_s)
    moments = [packet.captured_s for packet in heard]
    skews: list[float] = []
    for frame in video:
        first = bisect_left(moments, frame.captured_s - _NEAR_S)
        last = bisect_right(moments, frame.captured_s + _NEAR_S)
        if last > first:
            near = median(packet.seconds for packet in heard[first:last])
            skews.append(1000 * (near - frame.seconds))
    if not skews:
        return None
    magnitudes = sorted(map(abs, skews))
    p95 = magnitudes[min(len(magnitudes) - 1, int(0.95 * len(magnitudes)))]
    return Skew(round(median(skews), 1), round(p95, 1), len(skews))
