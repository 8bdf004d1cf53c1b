"""Make the classifier that hears closed lips: `python -m benchmarks.lips_by_ear`.

Logistic regression on what the embedded voice says, at several speeds, through several tubes (a
tilt of the spectrum stands for other microphones and throats), with where its own network put p, b
and m. Prints what it finds in Piper's voice, which it has never heard, in sentences it has never
heard. Writes src/visavis/avatar/lips_by_ear.npz.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.speech_samples import PRACTICE, SENTENCES, heart, joe
from visavis.avatar import hearing
from visavis.avatar.visemes import VISEMES, segments
from visavis.media import SpeechChunk

F64 = NDArray[np.float64]

_SPEEDS = (0.8, 0.95, 1.1, 1.3)
_LABIAL = VISEMES.index("PP")
_RIDGE = 30.0
_STEPS = 25
_OUT = Path(hearing.__file__).with_name("lips_by_ear.npz")


def main() -> None:
    random = np.random.default_rng(0)
    practice = [chunk for speed in _SPEEDS for chunk in heart(PRACTICE, speed)]
    rows = [_example(chunk, random) for chunk in practice for _ in range(2)]
    inputs, labels = np.concatenate([r[0] for r in rows]), np.concatenate([r[1] for r in rows])
    print(f"{len(labels)} frames of practice, {labels.mean():.1%} with closed lips")
    weights = _fit(inputs, labels)
    np.savez_compressed(_OUT, weights=weights.astype(np.float16))
    print(f"{'':20}{'found':>8}{'rightly':>9}")
    for name, chunks in (("heart", heart(SENTENCES)), ("joe", joe(SENTENCES))):
        for sure in (0.4, 0.5, 0.6, 0.7, 0.8):
            found, rightly = _judge(chunks, weights, sure)
            print(f"{name:10}{sure:10}{found:8.2f}{rightly:9.2f}")


def _example(chunk: SpeechChunk, random: np.random.Generator) -> tuple[F64, F64]:
    bands = hearing.spectrum(chunk.pcm, chunk.sample_rate)
    tract = random.uniform(-0.8, 0.8)
    place = np.arange(12) + tract
    bent = np.stack([np.interp(place, np.arange(12), row) for row in np.log(bands + 1e-9)])
    return hearing.context(np.exp(bent)), _closed(chunk, len(bands))


def _closed(chunk: SpeechChunk, count: int) -> F64:
    at = (np.arange(count) + 0.5) * hearing.HOP_S
    out = np.zeros(count)
    for segment in segments(chunk.phonemes):
        if segment.viseme == _LABIAL:
            out[(at >= segment.start_s) & (at < segment.end_s)] = 1
    return out


def _fit(inputs: F64, labels: F64) -> F64:
    """Newton's method, with the rare closed frames weighing four times as much as others."""
    x = np.column_stack([inputs, np.ones(len(inputs))])
    weights, matter = np.zeros(x.shape[1]), np.where(labels > 0, 4.0, 1.0)
    ridge = _RIDGE * np.eye(x.shape[1])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (matter * (likely - labels)) + ridge @ weights
        bend = (x * (matter * likely * (1 - likely))[:, None]).T @ x + ridge
        weights -= np.linalg.solve(bend, slope)
    return weights


def _judge(chunks: Sequence[SpeechChunk], weights: F64, sure: float) -> tuple[float, float]:
    """Of the p, b, m: how many are found; and of what is found, how much is one (or 30 ms off)."""
    hits, runs = [], []
    for chunk in chunks:
        bands = hearing.spectrum(chunk.pcm, chunk.sample_rate)
        score = hearing.context(bands) @ weights[:-1] + weights[-1]
        closed = score > np.log(sure / (1 - sure))
        truth = _closed(chunk, len(bands)) > 0
        near = np.convolve(truth, np.ones(7), "same") > 0
        for run in _runs(truth):
            hits.append(closed[run].any())
        for run in _runs(closed):
            runs.append(near[run].any())
    return float(np.mean(hits)), float(np.mean(runs))


def _runs(flags: NDArray[np.bool_]) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


if __name__ == "__main__":
    main()
