"""Short hair, cut close at the sides and swept back on top; and a short beard."""

import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree
from scipy.spatial import cKDTree

from .anatomy import Head, smoothstep, unit
from .eyes import Bound, barycentric
from .hair import scalp_roots
from .skin import fractal

STEPS = 14
SIDE_LENGTH = 0.07
"""Decimetres, where the sides are shortest."""

LONE = -0.035
"""A hair that stands before the edge of the others looks like a scratch."""


class ShortHair:
    def __init__(self, head: Head) -> None:
        self.head = head
        self.m = head.measures
        self.hull = BVHTree.FromPolygons([tuple(v) for v in head.rest], head.triangles.tolist())

    def strands(self, count: int, points: int = 12) -> np.ndarray:
        """(about ``count``, ``points``, 3) hairs."""
        rng = np.random.default_rng(9)
        roots, normals = scalp_roots(self.head, 900, rng)
        guides = np.array([self._grow(p, n, rng) for p, n in zip(roots, normals, strict=True)])
        for _ in range(2):
            guides[:, 1:-1] = guides[:, 1:-1] * 0.5 + 0.25 * (guides[:, :-2] + guides[:, 2:])
        guides = guides[:, np.linspace(0, STEPS, points).round().astype(int)]
        roots, _ = scalp_roots(self.head, count, rng, 0.05)
        width = 0.13 + 0.17 * np.exp(-(((self.m.azimuth(roots) - 60) / 18) ** 2))
        # the first hairs stand in small groups, not on a line
        edge = self.m.above_hairline(roots) + 0.16 * fractal(roots, 5.0, 3)
        keep = rng.random(len(roots)) < np.clip((edge + 0.04) / width, 0.03, 1)
        roots, edge = roots[keep], edge[keep]
        hairs = self._between(guides, roots, edge, rng)
        return hairs[edge > LONE]

    def _top(self, root: np.ndarray) -> float:
        """0 on the close-cut sides and back, 1 on top of the head."""
        m = self.m
        behind = float(np.clip((m.head_centre[2] - 0.2 - root[2]) / 0.6, 0, 1))
        return float(smoothstep(0.46 + 0.25 * behind, 0.74 + 0.2 * behind, m.height(root[1])))

    def _grow(self, root: np.ndarray, normal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        m, spec = self.m, self.head.spec.hair
        top = self._top(root)
        front = float(np.clip((root[2] - m.head_centre[2]) / 1.1, -1, 1))
        rise = float(np.clip((m.height(root[1]) + 0.5) / 1.1, 0, 1))
        length = SIDE_LENGTH * (0.65 + 1.0 * rise)
        length += top * (spec.length - SIDE_LENGTH) * (0.74 + 0.26 * front)
        length *= rng.uniform(0.94, 1.06)
        swept = np.array([0.62 if root[0] > spec.parting else -0.75, 0.1, -0.8])
        down = np.array([0, -1.0, -0.42])
        want = swept * top + down * (1 - top)
        lift = 0.16 + (0.30 + 0.95 * max(0.0, front)) * top * min(1.0, spec.length / 0.5)
        at, path = root - normal * 0.015, [root - normal * 0.015]
        heading = unit(normal * lift + unit(want) * 0.5)
        for step in range(STEPS):
            skin_normal = self._normal(at)
            along = unit(want - skin_normal * (want @ skin_normal))
            heading = unit(heading * 0.82 + along * 0.26 + np.array([0, -0.05 * step / STEPS, 0]))
            stand = 0.016 + 0.075 * top * smoothstep(0, 0.6, step / STEPS)
            at = self._outside(at + heading * length / STEPS, float(stand))
            path.append(at)
        return np.array(path)

    def _between(
        self, guides: np.ndarray, roots: np.ndarray, edge: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Each hair is its three nearest guides, mixed; gathered into locks where it is long."""
        distance, nearest = cKDTree(guides[:, 0]).query(roots, k=3)
        weight = (distance + 0.02) ** -1.5
        weight /= weight.sum(1, keepdims=True)
        shape = guides - guides[:, :1]
        own = (shape[nearest] * weight[..., None, None]).sum(1)
        count, points, _ = own.shape
        t = np.linspace(0, 1, points)[None, :, None]
        long = np.clip(np.linalg.norm(own[:, -1], axis=1) / 0.3, 0, 1)[:, None, None]
        centres = rng.choice(count, count // 48, replace=False)
        _, lock = cKDTree(roots[centres]).query(roots)
        pull = 0.55 * long * t * rng.uniform(0.5, 1, (count, 1, 1))
        aim = (roots[centres][lock] - roots)[:, None] * 0.75 + own[centres][lock]
        hairs = own * (1 - pull) + aim * pull
        turn = rng.normal(size=(len(centres), 1, 3))[lock] * 0.026
        hairs = hairs + turn * long * t**1.5
        hairs = (
            hairs + np.cumsum(rng.normal(size=hairs.shape), 1) * 0.010 / np.sqrt(points) * t**0.5
        )
        fade = 0.45 + 0.55 * smoothstep(-0.04, 0.22, edge)  # shorter towards every edge
        share = rng.uniform(0.85, 1.0, count) * fade
        return roots[:, None] + hairs * share[:, None, None]

    def _normal(self, at: np.ndarray) -> np.ndarray:
        return np.array(self.hull.find_nearest(Vector(at))[1])

    def _outside(self, at: np.ndarray, offset: float) -> np.ndarray:
        location, normal, _, _ = self.hull.find_nearest(Vector(at))
        inside = offset - float(np.dot(at - np.array(location), normal))
        return at + np.array(normal) * inside if inside > 0 else at


class Beard:
    """Short hairs over jaw, chin and upper lip, each carried by the skin under its root."""

    def __init__(self, head: Head, count: int = 14_000) -> None:
        rng = np.random.default_rng(12)
        roots, normals, triangle = surface_points(
            head, head.beard_amount(head.rest[head.triangles].mean(1)) > 0.02, count, rng
        )
        keep = rng.random(count) < head.beard_amount(roots)
        roots, normals, triangle = roots[keep], normals[keep], triangle[keep]
        m = head.measures
        length = head.spec.hair.beard * rng.uniform(0.6, 1.1, len(roots))
        near_mouth = np.exp(-(((roots - m.mouth) / [0.3, 0.25, 9]) ** 2).sum(1))
        length *= 1 - 0.35 * near_mouth
        length *= 1 - 0.5 * smoothstep(0.35, 0.8, np.abs(roots[:, 0]))
        fall = np.stack([roots[:, 0] * 0.25, np.full(len(roots), -1.0), roots[:, 0] * 0], 1)
        fall[:, 0] += np.sign(roots[:, 0]) * near_mouth * 0.35
        along = unit(fall - normals * (fall * normals).sum(1, keepdims=True))
        along = unit(along + rng.normal(size=along.shape) * 0.22)
        t = np.linspace(0, 1, 6)[None, :, None]
        out = normals[:, None] * (0.55 * t - 0.3 * t * t) + along[:, None] * (
            0.35 * t + 0.6 * t * t
        )
        self.rest = roots[:, None] - normals[:, None] * 0.01 + out * length[:, None, None]
        self.roots = roots
        corners = head.triangles[triangle]
        weights = [barycentric(p, head.rest[c]) for p, c in zip(roots, corners, strict=True)]
        self.bound = Bound(corners, np.array(weights))

    def at(self, vertices: np.ndarray) -> np.ndarray:
        return self.rest + (self.bound.at(vertices) - self.roots)[:, None]


def surface_points(
    head: Head, density: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, normals and triangles, at random over the skin; ``density`` is per triangle."""
    corners = head.rest[head.triangles]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal, size = unit(cross), np.linalg.norm(cross, axis=1)
    bare = head.is_lip | head.is_mouth_inside | head.is_ear
    free = density * size * ~bare[head.triangles].any(1)
    pick = rng.choice(len(free), count, p=free / free.sum())
    a = rng.random((count, 2))
    a = np.where(a.sum(1, keepdims=True) > 1, 1 - a, a)
    weights = np.c_[1 - a.sum(1), a]
    return (corners[pick] * weights[..., None]).sum(1), normal[pick], pick
