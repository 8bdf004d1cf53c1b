"""Eyeballs, lashes and brows."""

import math
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from . import materials
from .anatomy import Head, unit

IRIS_ANGLE = math.radians(29)
FORWARD = np.array([0, 0, 0.012])
"""How far the eyeball stands forward of the base mesh's."""
SEGMENTS = 64
EARRING = 0.038


GLINTS = (((-0.030, 0.036), 0.0128), ((0.030, -0.030), 0.0048))
"""(x, y) off the eye's axis and radius, decimetres. Painted, as animated films do: true mirror
images of the lights come out different in each eye and broken by the lashes."""


def add_eyeballs(head: Head, texture: Path) -> None:
    ball, glint = materials.eyeball(texture), materials.glow("glint", 2.2)
    for side in "lr":
        radius = head.eye_radius(side) * head.spec.eyeball_scale
        centre = head.eye_centre(side) + FORWARD
        _revolve("eyeball", centre, _ball_profile(radius), ball, textured=True)
        for (x, y), size in GLINTS:
            place = centre + np.array([x, y, radius * 0.99])
            _revolve("glint", place, [(0.0, 0.0, 0.0), (size, 0.0, 0.0)], glint)


def add_earrings(head: Head, metal: str) -> None:
    """A small ball on each lobe."""
    look = materials.metal("earring", metal)
    for side in (1, -1):
        ear = head.rest[head.is_ear & (head.rest[:, 0] * side > 0)]
        low = ear[ear[:, 1] < ear[:, 1].min() + 0.06]
        centre = low[low[:, 2].argmax()] + [0.012 * side, 0.02, 0.03]
        turn = np.linspace(0, np.pi, 16)
        ball = [(EARRING * math.sin(a), EARRING * math.cos(a), 0.0) for a in turn]
        _revolve("earring", centre, ball, look)


def _ball_profile(radius: float) -> list[tuple[float, float, float]]:
    """(distance from axis, depth along axis, texture radius) from the pupil back."""
    profile = []
    for t in np.linspace(0, IRIS_ANGLE, 14):
        dish = 0.08 * radius * (1 - (t / IRIS_ANGLE) ** 2)
        across = math.sin(IRIS_ANGLE) * radius * t / IRIS_ANGLE
        profile.append((across, math.cos(IRIS_ANGLE) * radius - dish, 0.5 * t / IRIS_ANGLE))
    for t in np.linspace(IRIS_ANGLE, math.pi * 0.75, 28)[1:]:
        rim = min(0.999, 0.5 + 0.5 * (t - IRIS_ANGLE) / IRIS_ANGLE)
        profile.append((math.sin(t) * radius, math.cos(t) * radius, rim))
    return profile


def _revolve(
    name: str,
    centre: np.ndarray,
    profile: list[tuple[float, float, float]],
    look: bpy.types.Material,
    textured: bool = False,
) -> bpy.types.Object:
    angle = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], -1)
    rings = [np.c_[across * circle, np.full(SEGMENTS, depth)] for across, depth, _ in profile]
    uvs = np.concatenate([0.5 + 0.5 * r * circle for _, _, r in profile])
    n = SEGMENTS
    faces = [
        [i * n + a, i * n + (a + 1) % n, (i + 1) * n + (a + 1) % n, (i + 1) * n + a]
        for i in range(len(profile) - 1)
        for a in range(n)
    ]
    corners = uvs[[v for f in faces for v in f]] if textured else None
    return materials.add_mesh(name, centre + np.concatenate(rings), faces, look, corners)


@dataclass(frozen=True)
class Bound:
    """Points as weighted sums of mesh vertices: (..., k) indices and weights."""

    index: np.ndarray
    weight: np.ndarray

    def at(self, vertices: np.ndarray) -> np.ndarray:
        return (vertices[self.index] * self.weight[..., None]).sum(-2)


def lash_strands(head: Head) -> Bound:
    """Lashes combed over the base mesh's lash cards, so they follow every pose."""
    rng = np.random.default_rng(2)
    index, weight = [], []
    for side in "lr":
        for card, count, lengths in (("2", 104, (0.55, 0.85)), ("1", 40, (0.22, 0.36))):
            grid = _card_grid(head, f"helper-{side}-eyelashes-{card}", head.eye_centre(side))
            for u in np.linspace(0.06, 0.94, count):
                # shorter towards both corners: crowded corners smear in a small picture
                ease = np.clip(min(u - 0.05, 0.95 - u) / 0.24, 0.2, 1)
                i, w = _comb(grid, u + rng.normal() * 0.006, rng.uniform(*lengths) * ease,
                             rng.normal() * 0.02)  # fmt: skip
                index.append(i)
                weight.append(w)
    return Bound(np.array(index), np.array(weight))


def _comb(grid: np.ndarray, u: float, length: float, lean: float) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = grid.shape
    t = np.linspace(0, 1, 6)
    x = np.clip(u + t**1.3 * lean, 0, 1) * (columns - 1.001)
    y = t * length * (rows - 1.001)
    j, i = x.astype(int), y.astype(int)
    fx, fy = x - j, y - i
    index = np.stack([grid[i, j], grid[i, j + 1], grid[i + 1, j], grid[i + 1, j + 1]], -1)
    weight = np.stack([(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx], -1)
    return index, weight


def _card_grid(head: Head, group: str, eye: np.ndarray) -> np.ndarray:
    """A lash card's vertices as a grid, first row at the lid. The card is a strip of quads."""
    neighbours: dict[int, set[int]] = defaultdict(set)
    uses: Counter[int] = Counter()
    for face in head.mesh.groups[group]:
        for a, b in zip(face.v, face.v[1:] + face.v[:1], strict=True):
            neighbours[a].add(b)
            neighbours[b].add(a)
            uses[a] += 1
    corners = [v for v in uses if uses[v] == 1]
    rim = [v for v in uses if uses[v] <= 2]
    steps = _distances(neighbours, [corners[0]])
    across, along, opposite = sorted(corners[1:], key=steps.__getitem__)
    edges = []
    for start, end in ((corners[0], along), (across, opposite)):
        a, b = _distances(neighbours, [start]), _distances(neighbours, [end])
        edges.append([v for v in rim if a[v] + b[v] == a[end]])
    root = min(edges, key=lambda e: np.linalg.norm(head.rest[e] - eye, axis=1).mean())
    row = _distances(neighbours, root)
    column = _distances(neighbours, [corners[0] if corners[0] in root else across])
    grid = np.full((max(row.values()) + 1, max(column[v] for v in root) + 1), -1)
    for v in uses:
        grid[row[v], np.clip(column[v] - row[v], 0, grid.shape[1] - 1)] = v
    if (grid < 0).any():
        raise ValueError(f"{group} is no full grid")
    return grid


def _distances(neighbours: dict[int, set[int]], start: list[int]) -> dict[int, int]:
    steps = dict.fromkeys(start, 0)
    queue = deque(start)
    while queue:
        v = queue.popleft()
        for w in neighbours[v] - steps.keys():
            steps[w] = steps[v] + 1
            queue.append(w)
    return steps


class Brows:
    """Short hairs along the brow line; each is carried by the skin triangle under its root."""

    def __init__(self, head: Head, per_side: int = 430) -> None:
        rng = np.random.default_rng(4)
        line = head.brow_line()
        points, widths = np.array([p for p, _ in line]), np.array([w for _, w in line])
        tangents = unit(np.gradient(points, axis=0))
        hairs, roots, index, weight = [], [], [], []
        for side in (1, -1):
            flip = np.array([side, 1, 1])
            for _ in range(per_side):
                at = rng.beta(1.5, 1.15) * (len(points) - 1.01)
                k, f = int(at), at % 1
                p = (points[k] * (1 - f) + points[k + 1] * f) * flip
                tangent = unit(tangents[k] * (1 - f) + tangents[k + 1] * f) * flip
                across = np.clip(rng.normal() * 0.55, -1.2, 1.2)  # denser amid: a soft edge
                p[1] += 1.5 * across * (widths[k] * (1 - f) + widths[k + 1] * f)
                root, normal, triangle = head.nearest(p)
                hairs.append(self._hair(head, root, normal, tangent, at / len(points), across, rng))
                corners = head.triangles[triangle]
                index.append(corners)
                weight.append(barycentric(root, head.rest[corners]))
                roots.append(root)
        self.rest = np.array(hairs)
        self.roots = np.array(roots)
        self.bound = Bound(np.array(index), np.array(weight))

    def at(self, vertices: np.ndarray) -> np.ndarray:
        return self.rest + (self.bound.at(vertices) - self.roots)[:, None]

    @staticmethod
    def _hair(
        head: Head,
        root: np.ndarray,
        normal: np.ndarray,
        tangent: np.ndarray,
        along: float,
        across: float,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Upright near the nose, lying along the brow towards the temple."""
        up = unit(np.cross(normal, tangent))
        up *= np.sign(up[1]) or 1
        lift = 1.15 * (1 - along) ** 1.6 + 0.12 - 0.35 * across - 0.25 * (across > 0) * along
        direction = unit(tangent * math.cos(lift) + up * math.sin(lift) + normal * 0.1)
        length = 0.070 * (1 - 0.25 * along) * rng.uniform(0.7, 1.05)
        t = np.linspace(0, 1, 6)[:, None]
        hair = root + direction * length * t + (tangent - up) * 0.016 * t * t
        for j in range(1, 6):
            location, away, _ = head.nearest(hair[j])
            hair[j] = location + away * (0.006 + 0.006 * float(t[j, 0]))
        return hair


def barycentric(point: np.ndarray, corners: np.ndarray) -> np.ndarray:
    edges = np.stack([corners[1] - corners[0], corners[2] - corners[0]], 1)
    b, c = np.linalg.lstsq(edges, point - corners[0], rcond=None)[0]
    return np.array([1 - b - c, b, c])
