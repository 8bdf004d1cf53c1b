"""Teeth and gums: shaped one by one along the base mesh's dental arches, and carried by them."""

import numpy as np

from . import materials
from .anatomy import Head, smoothstep

UPPER_WIDTHS = (0.085, 0.068, 0.076, 0.070, 0.068, 0.095)
LOWER_WIDTHS = (0.054, 0.060, 0.068, 0.070, 0.070, 0.098)
UPPER_HEIGHTS = (0.098, 0.088, 0.094, 0.082, 0.076, 0.070)
LOWER_HEIGHTS = (0.084, 0.084, 0.090, 0.080, 0.074, 0.068)
"""Crown sizes from the middle outwards, decimetres."""


class Jaw:
    """One row of teeth with its gum; moves rigidly with the helper teeth of the base mesh."""

    def __init__(self, head: Head, name: str, drop: float, forward: float) -> None:
        self.helper = head.mesh.group_vertices(f"helper-{name}-teeth")
        self.anchor = head.rest[self.helper]
        upper = name == "upper"
        arch = _Arch(self.anchor, upper, head.spec.head_scale, forward)
        widths = UPPER_WIDTHS if upper else LOWER_WIDTHS
        heights = UPPER_HEIGHTS if upper else LOWER_HEIGHTS
        crown, faces = arch.crowns(widths, heights, drop)
        gum, gum_faces = arch.gum(drop)
        enamel = materials.plain("enamel", "#efe6d6", 0.28, 0.2, 0.04, specular=0.4)
        flesh = materials.plain("gum", "#b0585c", 0.35, 0.6, 0.05, specular=0.4)
        self.parts = [
            (materials.add_mesh(f"{name}-teeth", crown, faces, enamel), crown),
            (materials.add_mesh(f"{name}-gum", gum, gum_faces, flesh), gum),
        ]

    def move(self, vertices: np.ndarray) -> None:
        turn, shift = rigid(self.anchor, vertices[self.helper])
        for thing, rest in self.parts:
            materials.move_mesh(thing, rest @ turn.T + shift)


class _Arch:
    """Half an ellipse from back tooth over the incisors to back tooth."""

    def __init__(self, helper: np.ndarray, upper: bool, scale: float, forward: float) -> None:
        self.scale = scale
        self.sign = -1 if upper else 1  # which way the crowns point
        self.half_width = float(np.abs(helper[:, 0]).max()) * 0.94
        self.back = float(helper[:, 2].min())
        self.depth = float(helper[:, 2].max()) - self.back - 0.02 + forward
        front = helper[helper[:, 2] > helper[:, 2].max() - 0.15]
        self.edge = float(front[:, 1].min() if upper else front[:, 1].max())
        angle = np.linspace(0, np.pi / 2, 400)
        curve = np.stack([self.half_width * np.sin(angle), self.depth * np.cos(angle)], 1)
        steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
        self._angle, self._arc = angle, np.r_[0, np.cumsum(steps)]

    def at(self, arc: float) -> tuple[np.ndarray, np.ndarray]:
        """(point, outward direction) at a signed arc length from the middle, in the plane."""
        angle = np.interp(abs(arc), self._arc, self._angle) * (np.sign(arc) or 1)
        s, c = np.sin(angle), np.cos(angle)
        point = np.array([self.half_width * s, 0, self.back + self.depth * c])
        out = np.array([s / self.half_width, 0, c / self.depth])
        return point, out / np.linalg.norm(out)

    def crowns(
        self, widths: tuple[float, ...], heights: tuple[float, ...], drop: float
    ) -> tuple[np.ndarray, list[list[int]]]:
        parts, faces = [], []
        arc = 0.0
        for width, height in zip(widths, heights, strict=True):
            w, h = width * self.scale, height * self.scale
            for side in (1, -1):
                point, out = self.at(side * (arc + w / 2))
                shape, quads = _crown(w, h, min(w, 0.07) * 0.9, self.sign)
                along = np.array([out[2], 0, -out[0]])
                axes = np.stack([along, np.array([0, 1, 0]), out])
                centre = point - out * 0.03
                lift = 0.012 * (arc / 0.3) ** 2  # the rows curve up a little towards the back
                centre[1] = self.edge - drop - self.sign * h / 2 + lift
                faces += [[i + sum(map(len, parts)) for i in q] for q in quads]
                parts.append(shape @ axes + centre)
            arc += w
        return np.concatenate(parts), faces

    def gum(self, drop: float) -> tuple[np.ndarray, list[list[int]]]:
        rings, k, n = [], 49, 12
        ring = np.linspace(0, 2 * np.pi, n, endpoint=False)
        height = 0.078 * self.scale
        for arc in np.linspace(-self._arc[-1], self._arc[-1], k) * 0.97:
            point, out = self.at(float(arc))
            point[1] = self.edge - drop - self.sign * (height + 0.055)
            up = np.array([0, 1, 0])
            rings.append(point - out * 0.035
                         + 0.045 * np.cos(ring)[:, None] * out
                         + 0.070 * np.sin(ring)[:, None] * up)  # fmt: skip
        faces = [
            [i * n + a, i * n + (a + 1) % n, (i + 1) * n + (a + 1) % n, (i + 1) * n + a]
            for i in range(k - 1)
            for a in range(n)
        ]
        return np.concatenate(rings), faces


def _crown(
    width: float, height: float, depth: float, sign: int
) -> tuple[np.ndarray, list[list[int]]]:
    """A tooth in (along, up, out) axes, its edge towards ``sign``.

    A box with soft edges, narrower and thicker at the gum, its corners rounded off at the edge.
    """
    n = 16
    u = np.linspace(-np.pi / 2, np.pi / 2, n)
    v = np.linspace(-np.pi, np.pi, 2 * n, endpoint=False)

    def soft(x: np.ndarray, power: float) -> np.ndarray:
        return np.sign(x) * np.abs(x) ** power

    uu, vv = np.meshgrid(u, v, indexing="ij")
    x = soft(np.cos(uu), 0.45) * soft(np.cos(vv), 0.5)
    z = soft(np.cos(uu), 0.45) * soft(np.sin(vv), 0.5)
    y = soft(np.sin(uu), 0.5)
    to_edge = y * sign  # 1 at the edge, -1 in the gum
    x *= np.interp(to_edge, [-1, 0.35, 0.8, 1], [0.96, 1.0, 0.97, 0.88])
    z = z * np.interp(to_edge, [-1, 0.2, 1], [1.0, 0.95, 0.5])
    z = z + 0.35 * np.interp(to_edge, [-1, 0, 1], [-0.25, 0.15, -0.45])  # bowed outwards
    points = np.stack([x * width / 2, y * height / 2, z * depth / 2], -1).reshape(-1, 3)
    m = 2 * n
    faces = [
        [i * m + a, (i + 1) * m + a, (i + 1) * m + (a + 1) % m, i * m + (a + 1) % m]
        for i in range(n - 1)
        for a in range(m)
    ]
    return points, faces


class Tongue:
    """The base mesh's tongue; its tip stays up a little as the jaw falls, as in speech."""

    LIFT = 0.34
    """Share of the jaw's fall that the tip does not follow."""

    def __init__(self, head: Head) -> None:
        faces = head.mesh.groups["helper-tongue"]
        self.index = np.unique([i for f in faces for i in f.v])
        self.jaw = head.mesh.group_vertices("helper-lower-teeth")
        self.jaw_y = float(head.rest[self.jaw, 1].mean())
        place = {v: i for i, v in enumerate(self.index)}
        polygons = [[place[i] for i in f.v] for f in faces]
        rest = head.rest[self.index]
        depth = rest[:, 2]
        self.tip = smoothstep(depth.min() + 0.25 * np.ptp(depth), depth.max(), depth)
        flesh = materials.plain("tongue", "#c9706c", 0.38, 0.7, 0.05, specular=0.4)
        self.thing = materials.add_mesh("tongue", rest, polygons, flesh, subdivide=2)

    def move(self, vertices: np.ndarray) -> None:
        fall = max(0.0, self.jaw_y - float(vertices[self.jaw, 1].mean()))
        points = vertices[self.index].copy()
        points[:, 1] += self.LIFT * fall * self.tip
        materials.move_mesh(self.thing, points)


def rigid(source: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and shift that best carry ``source`` to ``goal`` (Kabsch 1976)."""
    a, b = source.mean(0), goal.mean(0)
    u, _, vt = np.linalg.svd((source - a).T @ (goal - b))
    flip = np.diag([1, 1, np.sign(np.linalg.det(vt.T @ u.T))])
    turn = vt.T @ flip @ u.T
    return turn, b - turn @ a
