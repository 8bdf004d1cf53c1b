"""A parted bob: guides grown through a flow field over the head, then strands between them."""

import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree
from scipy import sparse
from scipy.spatial import cKDTree

from .anatomy import Head, smoothstep, unit

STEPS = 32


class Bob:
    def __init__(self, head: Head) -> None:
        self.head = head
        self.m = head.measures
        self.parting = head.spec.hair.parting
        self.hull = _smoothed_hull(head)

    def strands(self, count: int, points: int = 18) -> np.ndarray:
        """(about ``count``, ``points``, 3) hairs."""
        rng = np.random.default_rng(9)
        guides = _even(self._guides(620), points)
        for _ in range(3):
            guides[:, 1:-1] = guides[:, 1:-1] * 0.5 + 0.25 * (guides[:, :-2] + guides[:, 2:])
        roots, _ = scalp_roots(self.head, count, rng, below=0.02)
        sparse_edge = np.clip((self.m.above_hairline(roots) + 0.03) / 0.07, 0.15, 1)
        roots = roots[rng.random(len(roots)) < sparse_edge]
        hairs = self._between(guides, roots)
        return self._dishevel(hairs, roots, rng)

    def _side(self, points: np.ndarray) -> np.ndarray:
        """Which side of the parting a point falls to: 1 the character's left, -1 right."""
        line = self.parting * np.clip(self.m.height(points[..., 1]), 0, 1) ** 0.5
        return np.where(points[..., 0] > line, 1.0, -1.0)

    def _guides(self, count: int) -> np.ndarray:
        rng = np.random.default_rng(3)
        roots, normals = scalp_roots(self.head, count, rng)
        return np.array([self._grow(p, n, rng) for p, n in zip(roots, normals, strict=True)])

    def _grow(self, root: np.ndarray, normal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        m = self.m
        side = float(self._side(root))
        rise = float(np.clip(m.height(root[1]), 0, 1))
        layer = 0.06 + 0.16 * rise + rng.uniform(0, 0.06)  # hair from the crown lies outermost
        end = m.chin_y - self.head.spec.hair.length
        front = float(np.clip((root[2] - m.head_centre[2]) / 1.2, -1, 1))
        length = root[1] - end + 0.62 * rise - 0.30 * max(0.0, front) + rng.normal() * 0.05
        length = max(0.6, length)
        at, heading, path = root + normal * 0.02, normal * 0.4, [root - normal * 0.02]
        for step in range(STEPS):
            skin_normal = self._hull_normal(at)
            want = self._flow(at, side, front)
            grip = 1.0 if at[1] > m.eye_y - 0.2 else 0.25
            along = unit(want - skin_normal * (want @ skin_normal) * grip)
            heading = unit(heading * 0.45 + along * 0.55)
            offset = layer * smoothstep(0, 1, 3 * step / STEPS) + 0.02
            at = self._outside(at + heading * length / STEPS, offset)
            at = self._off_the_face(at, root, side, offset)
            path.append(at)
        return np.array(path)

    def _flow(self, at: np.ndarray, side: float, front: float) -> np.ndarray:
        """Away from the parting and a little back on top, then down, then in towards the neck."""
        m = self.m
        up = float(np.clip((at[1] - m.eye_y - 0.25) / (m.top_y - m.eye_y), 0, 1))
        want = np.array([side * 1.35 * up, -0.55 - 1.1 * (1 - up),
                         -0.75 * up * (0.35 + max(front, 0))])  # fmt: skip
        if at[1] < m.eye_y - 0.3:
            tuck = float(smoothstep(0, 1, (m.eye_y - 0.55 - at[1]) / 1.0))
            want = np.array([-side * 0.5 * tuck, -1.0, 0.10 if front > -0.2 else 0.0])
        return want

    def _off_the_face(
        self, at: np.ndarray, root: np.ndarray, side: float, offset: float
    ) -> np.ndarray:
        """Opens like a curtain: in front of the face a hair keeps beside it."""
        m = self.m
        hairline = float(m.hairline_y(0))
        if at[2] <= m.head_centre[2] + 0.1 or at[1] >= hairline + 0.25:
            return at
        width = m.face_half_width * (0.82 + 0.22 * smoothstep(0, 1, (m.eye_y + 0.25 - at[1]) / 0.8))
        limit = width * smoothstep(0, 1, (max(root[1], hairline) + 0.12 - at[1]) / 0.55)
        if abs(at[0]) >= limit:
            return at
        moved = np.array([side * (abs(at[0]) * 0.55 + limit * 0.45), at[1], at[2]])
        return self._outside(moved, offset)

    def _hull_normal(self, at: np.ndarray) -> np.ndarray:
        return np.array(self.hull.find_nearest(Vector(at))[1])

    def _outside(self, at: np.ndarray, offset: float) -> np.ndarray:
        location, normal, _, _ = self.hull.find_nearest(Vector(at))
        inside = offset - float(np.dot(at - np.array(location), normal))
        return at + np.array(normal) * inside if inside > 0 else at

    def _between(self, guides: np.ndarray, roots: np.ndarray) -> np.ndarray:
        """Each hair is its three nearest guides, mixed, on its own side of the parting."""

        def key(p: np.ndarray) -> np.ndarray:
            return np.c_[p, 3 * self._side(p)]

        distance, nearest = cKDTree(key(guides[:, 0])).query(key(roots), k=3)
        weight = (distance + 0.02) ** -1.5
        weight /= weight.sum(1, keepdims=True)
        shape = guides - guides[:, :1]
        return roots[:, None] + (shape[nearest] * weight[..., None, None]).sum(1)

    def _dishevel(
        self, hairs: np.ndarray, roots: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Clumps, a slight wave per clump, a little frizz, and uneven tips."""
        count, points, _ = hairs.shape
        t = np.linspace(0, 1, points)[None, :, None]
        centres = rng.choice(count, max(8, count // 26), replace=False)
        _, clump = cKDTree(np.c_[roots, 3 * self._side(roots)][centres]).query(
            np.c_[roots, 3 * self._side(roots)]
        )
        pull = 0.55 * t**1.1 * rng.uniform(0.5, 1, (count, 1, 1))
        own = hairs[centres][clump] + 0.25 * (roots - roots[centres][clump])[:, None]
        hairs = hairs * (1 - pull) + own * pull
        phase = (rng.random((len(centres), 3)) * 6.28)[clump][:, None]
        pitch = rng.uniform(1.0, 2.0, (len(centres), 1))[clump][:, None]
        hairs = hairs + 0.030 * np.sin(pitch * t * 6.28 + phase) * t**1.2
        frizz = np.cumsum(rng.normal(size=hairs.shape), 1) * 0.014 / np.sqrt(points)
        hairs = hairs + frizz * t**0.5
        return _cut(hairs, rng.uniform(0.88, 1.0, count))


def scalp_roots(
    head: Head, count: int, rng: np.random.Generator, below: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Random points of the scalp with normals, from ``below`` (dm) under the hairline up."""
    m = head.measures
    corners = head.rest[head.triangles]
    centre = corners.mean(1)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal, size = unit(cross), np.linalg.norm(cross, axis=1)
    scalp = (
        (m.above_hairline(centre) > -below)
        & ((normal * unit(centre - m.head_centre)).sum(1) > 0.25)
        & (head.head_weight[head.triangles].min(1) > 0.6)
        & ~head.is_ear[head.triangles].any(1)
    )
    pick = rng.choice(np.flatnonzero(scalp), count, p=size[scalp] / size[scalp].sum())
    a = rng.random((count, 2))
    a = np.where(a.sum(1, keepdims=True) > 1, 1 - a, a)
    weights = np.c_[1 - a.sum(1), a]
    return (corners[pick] * weights[..., None]).sum(1), normal[pick]


def _cut(hairs: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Keep the first ``share`` of each hair, resampled to as many points."""
    count, points, _ = hairs.shape
    at = np.linspace(0, 1, points)[None] * share[:, None] * (points - 1)
    low = np.minimum(at.astype(int), points - 2)
    f = (at - low)[..., None]
    row = np.arange(count)[:, None]
    return hairs[row, low] * (1 - f) + hairs[row, low + 1] * f


def _even(lines: np.ndarray, points: int) -> np.ndarray:
    """Lines resampled to equal steps of arc length."""
    out = []
    for line in lines:
        length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
        at = np.linspace(0, length[-1], points)
        out.append(np.stack([np.interp(at, length, line[:, k]) for k in range(3)], 1))
    return np.array(out)


def _smoothed_hull(head: Head, rounds: int = 10) -> BVHTree:
    """What hair slides on: the bust, smoothed so that ears and jaw do not snag it."""
    tri = head.triangles
    edges = np.concatenate([tri[:, [0, 1]], tri[:, [1, 2]], tri[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    count = len(head.rest)
    ones = np.ones(len(edges))
    near = sparse.coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(count, count)).tocsr()
    near.data[:] = 1
    degree = np.maximum(np.asarray(near.sum(1)).ravel(), 1)[:, None]
    points = head.rest.copy()
    for _ in range(rounds):
        points = points * 0.5 + 0.5 * (near @ points) / degree
    return BVHTree.FromPolygons([tuple(v) for v in points], tri.tolist())
