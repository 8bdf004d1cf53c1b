"""Times for a voice that gives none: the same words in another voice, whose times are known.

Two voices that say the same text differ in pitch and pace, hardly in the order of their spectra.
Dynamic time warping (Sakoe and Chiba, 1978) over mel cepstra finds which moment of one is which
of the other; the known times of phonemes and words go the same way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from visavis.media import Pcm, PhonemeTime, SpeechChunk, WordTime

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Path = tuple[NDArray[np.int64], NDArray[np.int64], float]

_HOP_S = 0.01
_WINDOW_S = 0.025
_MELS = 24
_CEPSTRA = 9
_TOP_HZ = 7600.0
_LOWEST_TOP_HZ = 3000.0
"""With less of the spectrum than a telephone's there is nothing to compare."""
_FLOOR = 10**-5.0
"""Of the loudest: fainter bands are all the same silence."""
_QUIET = 10**-3.5
"""Of the loud frames' power: before the first and after the last frame above it nobody speaks."""
_LONGEST_S = 40.0
_SHORTEST_S = 0.15
_PACE = 2.2
"""One voice may take that many times as long as the other."""
_BAND = 0.3
"""How far the path may stray from the straight one, as a share of the longer sound."""
_STRAY_S = 0.6
_ASIDE = 1.15
"""A step in only one of the sounds costs so much more than one in both."""
_TRACTS = (1.0, 0.84, 1.19)
"""Formants of the target over those of the reference: alike, a man's after a woman's, and back."""
_ALIKE_COST = 3.0
"""So near that no other vocal tract need be tried."""
_TRUSTED_COST = 4.1
"""Mean distance along the path. The same words in another voice measure 3.1 to 3.8, in the same
voice at another pace 2.5 at most; other words 4.4 and more."""
_PAUSE_S = 0.12
"""A silence longer than the closure of a stop belongs to no phoneme."""


@dataclass(frozen=True, slots=True)
class Times:
    """Of a chunk, in seconds from its start."""

    words: tuple[WordTime, ...]
    phonemes: tuple[PhonemeTime, ...]


@dataclass(frozen=True, slots=True)
class Warp:
    """Which moment of the target is which of the reference: edges of the latter's frames."""

    reference_s: F64
    target_s: F64
    cost: float
    """Mean distance along the path."""

    def __call__(self, reference_s: float) -> float:
        return float(np.interp(reference_s, self.reference_s, self.target_s))


def align(pcm: Pcm, sample_rate: int, reference: Sequence[SpeechChunk]) -> Times | None:
    """The reference's times moved onto ``pcm``, the same words from another voice.

    None where they do not seem to be the same words. Takes about 10 ms of CPU time for a second
    of sound, most of it without the GIL.
    """
    spoken = [chunk for chunk in reference if len(chunk.pcm)]
    if not spoken or any(chunk.sample_rate != spoken[0].sample_rate for chunk in spoken):
        return None
    known = np.concatenate([chunk.pcm for chunk in spoken])
    found = warp(pcm, sample_rate, known, spoken[0].sample_rate)
    if found is None or found.cost > _TRUSTED_COST:
        return None
    words: list[WordTime] = []
    phonemes: list[PhonemeTime] = []
    start_s = 0.0
    for chunk in spoken:
        words += [replace(w, **_moved(w, start_s, found)) for w in chunk.words]
        phonemes += [replace(p, **_moved(p, start_s, found)) for p in chunk.phonemes]
        start_s += chunk.duration_s
    pauses = _pauses(pcm, sample_rate)
    heard = [part for phoneme in phonemes if (part := _without(phoneme, pauses))]
    return Times(tuple(words), tuple(heard)) if heard else None


def warp(target: Pcm, target_rate: int, known: Pcm, known_rate: int) -> Warp | None:
    """How ``known`` must be stretched to be ``target``; None where it cannot be said."""
    top_hz = min(_TOP_HZ, 0.48 * min(target_rate, known_rate))
    span, known_span = _spoken(target, target_rate), _spoken(known, known_rate)
    if top_hz < _LOWEST_TOP_HZ or span is None or known_span is None:
        return None
    (start, end), (known_start, known_end) = span, known_span
    lasts, known_lasts = end - start, known_end - known_start
    if max(lasts, known_lasts) > _LONGEST_S or min(lasts, known_lasts) < _SHORTEST_S:
        return None
    if not 1 / _PACE < lasts / known_lasts < _PACE:
        return None
    said = target[int(start * target_rate) : int(end * target_rate)]
    model = known[int(known_start * known_rate) : int(known_end * known_rate)]
    first, last, cost = _best_path(
        (_features(said, target_rate, top_hz, tract) for tract in _TRACTS),
        _features(model, known_rate, top_hz),
    )
    count = len(first)
    inner = (last[:-1] + first[1:] + 1) / 2 * _HOP_S + start
    edges = np.arange(1, count) * _HOP_S + known_start
    return Warp(
        np.concatenate([[known_start], edges, [known_end]]),
        np.concatenate([[start], inner, [end]]),
        cost,
    )


def warm_up() -> None:
    """Compile the kernel, or load it from numba's cache, before a session needs it."""
    silent = np.zeros((3, 2 * _CEPSTRA), np.float32)
    _path(silent, silent, 3)


def power(pcm: Pcm, sample_rate: int, hop_s: float = _HOP_S) -> F32:
    """Mean square of each ``hop_s`` of sound, full scale 1. Shape (frames,)."""
    hop = round(sample_rate * hop_s)
    whole = pcm[: len(pcm) // hop * hop].reshape(-1, hop).astype(np.float32)
    return np.mean(np.square(whole / np.float32(32768)), axis=1)


def _moved(time: WordTime | PhonemeTime, start_s: float, by: Warp) -> dict[str, float]:
    return {"start_s": by(start_s + time.start_s), "end_s": by(start_s + time.end_s)}


def _without(phoneme: PhonemeTime, pauses: list[tuple[float, float]]) -> PhonemeTime | None:
    """The phoneme less a pause that it would reach into; the longer side, if one splits it."""
    start, end = phoneme.start_s, phoneme.end_s
    for quiet, loud in pauses:
        if quiet >= end or loud <= start:
            continue
        before, after = quiet - start, end - loud
        if max(before, after) <= 0:
            return None
        start, end = (start, quiet) if before >= after else (loud, end)
    return replace(phoneme, start_s=start, end_s=end)


def _pauses(pcm: Pcm, sample_rate: int) -> list[tuple[float, float]]:
    """Silences of ``_PAUSE_S`` and more, as (start, end) in seconds."""
    quiet = _loudness(pcm, sample_rate) < _QUIET
    flips = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    runs = flips.reshape(-1, 2) * _HOP_S
    return [(float(a), float(b)) for a, b in runs if b - a >= _PAUSE_S]


def _spoken(pcm: Pcm, sample_rate: int) -> tuple[float, float] | None:
    """Where speech begins and ends, in seconds; None in silence."""
    loud = np.flatnonzero(_loudness(pcm, sample_rate) >= _QUIET)
    if not len(loud):
        return None
    return float(loud[0] * _HOP_S), float((loud[-1] + 1) * _HOP_S)


def _loudness(pcm: Pcm, sample_rate: int) -> F32:
    """Power of 10 ms frames as a share of that of loud ones; all 0 where nothing is heard."""
    frames = power(pcm, sample_rate)
    loud = float(np.percentile(frames, 95)) if len(frames) else 0.0
    return frames / np.float32(loud) if loud > 1e-8 else np.zeros_like(frames)


def _best_path(targets: Iterable[F32], reference: F32) -> Path:
    """The cheapest path of any of the ``targets``; they are made only until one is good."""
    best: Path | None = None
    for target in targets:
        n, m = len(target), len(reference)
        stray = int(max(_BAND * max(n, m), _STRAY_S / _HOP_S, 2 + abs(n - m)))
        path = _path(target, reference, stray)
        if best is None or path[2] < best[2]:
            best = path
        if best[2] < _ALIKE_COST:
            break
    assert best is not None
    return best


def _features(pcm: Pcm, sample_rate: int, top_hz: float, tract: float = 1.0) -> F32:
    """Cepstra and how they change, each of zero mean and unit spread. Shape (frames, 18).

    Frame n is centred on the middle of the n-th 10 ms.
    """
    window, hop = round(_WINDOW_S * sample_rate), round(_HOP_S * sample_rate)
    count = max(1, len(pcm) // hop)
    size = 1 << (window - 1).bit_length()
    padded = np.pad(pcm.astype(np.float32) / np.float32(32768), ((window - hop) // 2, window))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][:count]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(window).astype(np.float32), size)) ** 2
    mel = spectrum @ _mel_bank(size, sample_rate, top_hz, tract).T
    floor = _FLOOR * np.percentile(mel.max(axis=1), 95) + 1e-12
    cepstra = np.log(mel + floor) @ _cosines().T
    padded = np.pad(cepstra, ((2, 2), (0, 0)), "edge")
    change = padded[3:-1] - padded[1:-3] + 2 * (padded[4:] - padded[:-4])
    return np.concatenate([_standard(cepstra), _standard(change)], axis=1).astype(np.float32)


def _standard(columns: F64) -> F64:
    return (columns - columns.mean(0)) / (columns.std(0) + 1e-3)


@cache
def _mel_bank(size: int, sample_rate: int, top_hz: float, tract: float) -> F64:
    """Triangular filters, evenly spaced in mel. Shape (``_MELS``, size // 2 + 1)."""
    lowest, highest = np.log10(1 + 60 / 700), np.log10(1 + top_hz / 700)
    mels: F64 = np.linspace(lowest, highest, _MELS + 2, dtype=np.float64)
    edges: F64 = np.minimum(700 * (10**mels - 1) * tract, 0.499 * sample_rate)
    hertz = np.fft.rfftfreq(size, 1 / sample_rate)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None] + 1e-9
    rising, falling = (hertz - low) / (middle - low + 1e-9), (high - hertz) / (high - middle)
    bank = np.maximum(0, np.minimum(rising, falling))
    return bank / bank.sum(1, keepdims=True).clip(1e-9)


@cache
def _cosines() -> F64:
    """The discrete cosine transform from log mel bands to cepstra. Shape (9, ``_MELS``)."""
    k, n = np.arange(_CEPSTRA)[:, None], np.arange(_MELS)
    return np.cos(np.pi * k * (2 * n + 1) / (2 * _MELS)) * np.sqrt(2 / _MELS)


@njit(cache=True, nogil=True, fastmath=True)
def _path(a: F32, b: F32, stray: int) -> Path:
    """The cheapest way through both at once, within ``stray`` frames of the straight one.

    The first and the last frame of ``a`` that go with each frame of ``b``, and the mean distance.
    """
    n, m, d = a.shape[0], b.shape[0], a.shape[1]
    far = np.float32(1e30)
    above = np.full(m + 1, far, np.float32)
    row = np.full(m + 1, far, np.float32)
    above[0] = 0
    step = np.zeros((n + 1, m + 1), np.int8)
    for i in range(1, n + 1):
        centre = i * m // n
        row[:] = far
        for j in range(max(1, centre - stray), min(m, centre + stray) + 1):
            total = np.float32(0)
            for k in range(d):
                difference = a[i - 1, k] - b[j - 1, k]
                total += difference * difference
            here = np.sqrt(total)
            both, only_a = above[j - 1] + here, above[j] + np.float32(_ASIDE) * here
            only_b = row[j - 1] + np.float32(_ASIDE) * here
            if both <= only_a and both <= only_b:
                row[j] = both
            elif only_a <= only_b:
                row[j], step[i, j] = only_a, 1
            else:
                row[j], step[i, j] = only_b, 2
        above, row = row, above
    first, last = np.zeros(m, np.int64), np.zeros(m, np.int64)
    i, j, steps = n, m, 0
    last[m - 1] = n - 1
    while i > 0 and j > 0:
        first[j - 1] = i - 1
        steps += 1
        which = step[i, j]
        if which != 2:
            i -= 1
        if which != 1:
            j -= 1
            if j > 0:
                last[j - 1] = max(i, 1) - 1
    return first, last, float(above[m]) / steps
