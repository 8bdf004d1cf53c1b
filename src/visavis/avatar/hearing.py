"""What a mouth may do, told by the sound alone: for speech whose words nobody knows.

All of a chunk is heard once, when it is pushed; a frame only looks up its moment. Openness comes
from loudness, roundness and spread from four bands, and closed lips (p, b, m) from a linear
classifier over the spectrum around them (``benchmarks.lips_by_ear`` makes it).
"""

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from visavis.avatar.coefficients import ARKIT, Coefficients, vector

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Sound = NDArray[np.int16] | NDArray[np.floating]
"""Mono samples: s16, or floats of which 1 is full scale."""

HOP_S = 0.01
_WINDOW_S = 0.03
_SHAPE_S = 0.04
"""What shapes the mouth is heard over so long either side."""
_EDGES_HZ = np.array([80, 200, 320, 480, 700, 1000, 1400, 1900, 2600, 3500, 4700, 6200, 8000])
"""Of the 12 bands that lips are heard in."""
_QUIETEST = 1e-9
AROUND = (-10, -7, -5, -3, -2, -1, 0, 1, 2, 3, 5, 7, 10)
"""Hops around a moment at which the classifier listens."""
_SURE = 0.5, 0.75
"""Where lips begin to close, and where they have."""

_JAW = ARKIT.index("jawOpen")
_OPEN = vector({"jawOpen": 0.46})
_ROUND = vector({"mouthPucker": 0.5, "mouthFunnel": 0.3})
_WIDE = vector({"mouthStretch": 0.25})
_SHARP = vector({"mouthStretch": 0.2})
_LOUD = vector({"mouthLowerDown": 0.25, "mouthUpperUp": 0.14})


@dataclass(frozen=True, slots=True)
class Heard:
    """A chunk's mouth every ``HOP_S``: ``shapes`` (n, 52) and ``close`` (n,), 0 to 1."""

    shapes: F32 = field(repr=False)
    close: F32 = field(repr=False)

    def at(self, second: float) -> tuple[Coefficients, float]:
        """ARKit weights, and how firmly the lips are closed, that far into the chunk."""
        place = second / HOP_S - 0.5
        low = int(np.clip(np.floor(place), 0, len(self.close) - 1))
        high = min(low + 1, len(self.close) - 1)
        part = np.float32(np.clip(place - low, 0, 1))
        shape = self.shapes[low] * (1 - part) + self.shapes[high] * part
        return shape, float(self.close[low] * (1 - part) + self.close[high] * part)


def hear(sound: Sound, sample_rate: int) -> Heard:
    """Listen to all of a chunk: about 2 ms for a second of it."""
    bands = spectrum(sound, sample_rate)
    shapes, close = _shapes(bands), _closed(bands)
    shapes[:, _JAW] *= 1 - 0.85 * close
    return Heard(shapes, close)


def spectrum(sound: Sound, sample_rate: int) -> F64:
    """Power in 12 bands, every ``HOP_S``: the n-th row is the middle of the n-th hop. (n, 12)."""
    full_scale = 32768.0 if sound.dtype.kind == "i" else 1.0
    window, hop = round(_WINDOW_S * sample_rate), round(HOP_S * sample_rate)
    count = max(1, -(-len(sound) // hop))
    padded = np.pad(np.asarray(sound, np.float32) / np.float32(full_scale), (window // 2, window))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)
    frames = frames[hop // 2 :: hop][:count] * np.hanning(window).astype(np.float32)
    size = 1 << (window - 1).bit_length()
    power = np.abs(np.fft.rfft(frames, size)) ** 2 / (window * window / 4)
    return power @ _bank(size, sample_rate).T


def context(bands: F64) -> F64:
    """What the classifier hears: 12 log bands at ``AROUND``, against the chunk's. (n, 156)."""
    log = np.log(bands + _QUIETEST)
    total = bands.sum(1)
    loud = total >= np.percentile(total, 60)
    log = np.maximum(log, log[loud].mean(0) - 9) - log[loud].mean(0)
    reach = AROUND[-1]
    padded = np.pad(log, ((reach, reach), (0, 0)), "edge")
    return np.concatenate([padded[reach + k : reach + k + len(log)] for k in AROUND], axis=1)


def _closed(bands: F64) -> F32:
    """How sure it is that the lips are closed, as how closed they are. (n,)."""
    weights = _weights()
    likely = 1 / (1 + np.exp(-(context(bands) @ weights[:-1] + weights[-1])))
    low, high = _SURE
    close = np.clip((likely - low) / (high - low), 0, 1) * (_level(bands.sum(1)).max() > 0)
    held = np.max([np.roll(close, k) for k in (-1, 0, 1)], axis=0)  # so that no frame misses it
    return _smooth(held[:, None], np.array([0.2, 0.6, 0.2]))[:, 0].astype(np.float32)


def _shapes(bands: F64) -> F32:
    half = round(_SHAPE_S / HOP_S / 2)
    bell = np.hanning(2 * half + 3)[1:-1]
    smooth = _smooth(bands, bell / bell.sum())
    total = smooth.sum(1)
    level = _level(total)
    share = smooth / (total + _QUIETEST)[:, None]
    low, middle = share[:, 1:4].sum(1), share[:, 4:6].sum(1)
    high, hiss = share[:, 6:9].sum(1), share[:, 10:].sum(1)
    hissing = level * np.minimum(1, 1.5 * hiss)
    wide = level * np.minimum(1, 2.2 * high)
    rounded = level * np.clip(1.2 * low / np.maximum(1 - hiss, 0.05) - 3 * high, 0, 1) * (1 - wide)
    open_ = level * np.minimum(1, 0.25 + 1.3 * middle)
    open_ = open_ * (1 - 0.7 * hissing) * (1 - 0.35 * rounded)
    parts = np.stack([open_, rounded, wide, hissing, level], axis=1)
    return (parts @ np.stack([_OPEN, _ROUND, _WIDE, _SHARP, _LOUD])).astype(np.float32)


def _smooth(rows: F64, kernel: F64) -> F64:
    """Each column convolved with a kernel of odd length; same shape."""
    padded = np.pad(rows, ((len(kernel) // 2, len(kernel) // 2), (0, 0)))
    return sum(
        (weight * padded[k : k + len(rows)] for k, weight in enumerate(kernel)), np.zeros_like(rows)
    )


def _level(power: F64) -> F64:
    """Loudness from 0 to 1, over the 28 dB below the chunk's loud moments."""
    peak = max(float(np.percentile(power, 95)), 1e-7)
    return np.clip(np.log10(power / peak + 1e-9) / 2.8 + 1, 0, 1)


@cache
def _bank(size: int, sample_rate: int) -> F64:
    """(12, size // 2 + 1): which bins are in which band."""
    hertz = np.fft.rfftfreq(size, 1 / sample_rate)
    return np.array(
        [(hertz >= a) & (hertz < b) for a, b in pairwise(_EDGES_HZ)],
        np.float64,
    )


@cache
def _weights() -> F64:
    """(157,): of the classifier's inputs, and its bias."""
    with (files("visavis.avatar") / "lips_by_ear.npz").open("rb") as file:
        return np.load(file)["weights"].astype(np.float64)
