"""Small shapes in time that the life of a face is made of."""

import numpy as np
from numpy.typing import NDArray

CYCLE_S = 600.0
"""The idle life repeats after ten minutes."""


def ease(t: float) -> float:
    """0 before 0, 1 after 1, smooth between."""
    t = min(1.0, max(0.0, t))
    return t * t * (3 - 2 * t)


def spaced(
    rng: np.random.Generator, *, shape: float, mean_s: float, least_s: float
) -> NDArray[np.float64]:
    """Moments in one cycle, apart by ``least_s`` and a gamma-distributed wait."""
    waits = least_s + rng.gamma(shape, (mean_s - least_s) / shape, int(3 * CYCLE_S / mean_s))
    moments = np.cumsum(waits)
    return moments[moments < CYCLE_S - 1]
