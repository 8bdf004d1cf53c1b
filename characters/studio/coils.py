"""Short natural hair: springs of hair standing off the head, close at the temples, full on top."""

import numpy as np
from scipy.spatial import cKDTree

from .anatomy import Head, smoothstep, unit
from .hair import scalp_roots

CURL = 0.030
"""Radius of a spring, decimetres."""
PITCH = 0.044
"""How far a spring rises in a turn."""
HAIRS_PER_CURL = 10


class Coils:
    def __init__(self, head: Head) -> None:
        self.head, self.m = head, head.measures

    def strands(self, count: int, points: int = 30) -> np.ndarray:
        """(about ``count``, ``points``, 3) hairs; those of a curl turn together."""
        rng = np.random.default_rng(9)
        roots, normals = scalp_roots(self.head, count, rng, below=0.03)
        edge = np.clip((self.m.above_hairline(roots) + 0.04) / 0.09, 0.12, 1)
        kept = rng.random(count) < edge
        roots, normals = roots[kept], normals[kept]
        middle = rng.choice(len(roots), len(roots) // HAIRS_PER_CURL, replace=False)
        _, curl = cKDTree(roots[middle]).query(roots)
        length = self._length(roots[middle]) * rng.uniform(0.7, 1.1, len(middle))
        rise = self._rise(roots[middle], normals[middle], rng)
        along = unit(np.cross(rise, rng.normal(size=rise.shape)))
        across = np.cross(rise, along)
        t = np.linspace(0, 1, points)[None, :, None]
        turns = (length / PITCH)[curl, None, None]
        angle = 2 * np.pi * (turns * t + rng.normal(0, 0.045, (len(roots), 1, 1)))
        wide = CURL * rng.uniform(0.75, 1.3, len(middle))[curl, None, None]
        wide = wide * smoothstep(0, 0.22, t) * rng.uniform(0.8, 1.15, (len(roots), 1, 1))
        own = (roots - roots[middle][curl])[:, None]
        gathered = roots[middle][curl][:, None] + own * (1 - 0.6 * smoothstep(0, 0.4, t))
        path = gathered + (rise * length[:, None])[curl][:, None] * t
        frizz = np.cumsum(rng.normal(size=path.shape), 1) * 0.016 / np.sqrt(points)
        spring = np.cos(angle) * along[curl][:, None] + np.sin(angle) * across[curl][:, None]
        return path + wide * spring + frizz * t

    def _length(self, roots: np.ndarray) -> np.ndarray:
        """Full on top, tapered to the sides and to the hairline."""
        up = np.clip(self.m.height(roots[:, 1]), 0, 1)
        edge = smoothstep(-0.02, 0.34, self.m.above_hairline(roots))
        full = 0.60 + 0.40 * smoothstep(0.15, 0.9, up)
        return self.head.spec.hair.length * full * (0.24 + 0.76 * edge)

    def _rise(self, roots: np.ndarray, normals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Off the head; lifted on top, swept back from the forehead; no two curls quite alike."""
        out = unit(roots - self.m.head_centre)
        lean = np.array([0, 0.25, -0.2]) * smoothstep(0, 0.4, roots[:, 2:3])
        return unit(normals * 0.5 + out * 0.5 + lean + rng.normal(0, 0.5, roots.shape))
