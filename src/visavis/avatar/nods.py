"""The nods of a listener: once in a while, shortly after the speaker has paused."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_LIKELY = 0.6
_SOONEST_S, _AT_MOST_LATER_S = 0.25, 0.15
"""A pause is a pause after a quarter of a second; the nod follows soon or not at all."""
_APART_S = 2.5
_TWICE = 0.2
_NOD_S = 0.6
_DEPTH = 0.045
"""Radians: two and a half degrees."""


@dataclass(frozen=True, slots=True)
class Nod:
    """When it begins, microseconds on the worker's clock; ``depth`` is about 1."""

    at_us: int
    depth: float
    times: int


def nod_in(pause_us: int, last: Nod | None, seed: int) -> Nod | None:
    """The nod that answers a pause since ``pause_us``, if it does; ``last`` is the one before."""
    likely, soon, deep, twice = np.random.default_rng((seed, pause_us)).random(4)
    at_us = pause_us + round(1e6 * (_SOONEST_S + float(soon) * _AT_MOST_LATER_S))
    if likely >= _LIKELY or (last is not None and at_us - last.at_us < _APART_S * 1e6):
        return None
    return Nod(at_us, 0.75 + 0.5 * float(deep), 2 if twice < _TWICE else 1)


def nodding(nods: Sequence[Nod], at_us: int) -> float:
    """How far the head is nodded at ``at_us``, radians; the second of two goes less deep."""
    pitch = 0.0
    for nod in nods:
        elapsed = (at_us - nod.at_us) / 1e6 / _NOD_S
        count = int(elapsed)
        if elapsed > 0 and count < nod.times:
            depth = nod.depth * _DEPTH * 0.6**count
            pitch += depth * float(np.sin(np.pi * (elapsed - count)) ** 2)
    return pitch
