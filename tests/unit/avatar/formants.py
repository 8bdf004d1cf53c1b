"""A voice made of formants: every time in it is known."""

from itertools import pairwise

import numpy as np

from visavis.media import PhonemeTime, SpeechChunk, WordTime

FORMANTS: dict[str, tuple[float, ...]] = {
    "ɑ": (750, 1200, 2500),
    "i": (290, 2250, 3000),
    "u": (310, 870, 2250),
    "m": (250, 1100),
    "ɛ": (550, 1800, 2500),
}
SAID = "mɑsimupɛsmɑ"
LASTS = np.array([0.09, 0.16, 0.12, 0.13, 0.08, 0.18, 0.09, 0.15, 0.13, 0.07, 0.2])
PACES = np.array([1.3, 0.8, 1.1, 1.5, 1.0, 0.7, 1.0, 1.4, 0.9, 1.2, 0.8])


def spoken(
    lasts: np.ndarray, rate: int, *, pitch_hz: float, tract: float = 1.0, lead_s: float = 0.05
) -> SpeechChunk:
    """``SAID``, buzzed through formants; the symbols' times are where its parts begin and end."""
    noise = np.random.default_rng(3)
    edges = np.concatenate([[0], np.cumsum(lasts)])
    parts = [np.zeros(round(lead_s * rate))]
    for symbol, start, end in zip(SAID, edges, edges[1:], strict=False):
        t = np.arange(round(start * rate), round(end * rate)) / rate
        if symbol == "s":
            hiss = noise.normal(size=len(t))
            parts.append(0.08 * np.diff(hiss, prepend=0))
            continue
        sound = np.zeros(len(t))
        for n in range(1, int(min(4000, 0.45 * rate) / pitch_hz)):
            gain = sum(
                0.6**k / (1 + ((n * pitch_hz - f * tract) / 90) ** 2)
                for k, f in enumerate(FORMANTS.get(symbol, ()))
            )
            sound += gain * np.sin(2 * np.pi * n * pitch_hz * t)
        parts.append(sound * (0.1 if symbol == "m" else 0.2))
    parts.append(np.zeros(round(0.08 * rate)))
    pcm = np.clip(np.concatenate(parts) * 12000, -32768, 32767).astype(np.int16)
    times = tuple(
        PhonemeTime(symbol, lead_s + a, lead_s + b)
        for symbol, (a, b) in zip(SAID, pairwise(edges), strict=True)
    )
    words = (WordTime("mosey", times[0].start_s, times[3].end_s),)
    return SpeechChunk(pcm, rate, "mosey moo pesmah", words, times)
