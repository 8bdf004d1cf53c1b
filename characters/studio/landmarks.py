"""The 478 face-mesh landmarks of any pose, exact, from one detection on the neutral picture.

Ordinary landmarks are bound to the skin triangle they were seen on. Those on the rims of lips and
lids are found anew in every pose: each belongs to a column of skin (upper or lower), and sits where
that column is seen to end. So they lie on the drawn edge however the lips roll or the lids fold.
"""

from dataclasses import dataclass

import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from .eyes import FORWARD, IRIS_ANGLE, barycentric
from .figure import Figure
from .stage import Stage

LIPS_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LIPS_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LIP_RINGS = (
    (
        (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
        (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
        (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
        LIPS_UPPER,
    ),
    (
        (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
        (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
        (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
        LIPS_LOWER,
    ),
)
"""Upper and lower lip: rings of points from the outer border to the inner rim."""
LIDS = {
    "r": (
        (33, 246, 161, 160, 159, 158, 157, 173, 133),
        (33, 7, 163, 144, 145, 153, 154, 155, 133),
    ),
    "l": (
        (362, 398, 384, 385, 386, 387, 388, 466, 263),
        (362, 382, 381, 380, 374, 373, 390, 249, 263),
    ),
}
"""Upper and lower rims, from the left of the picture to its right."""
IRISES = {"r": range(468, 473), "l": range(473, 478)}
GAZE = {"eyeLookOut": 24, "eyeLookIn": 24, "eyeLookUp": 18, "eyeLookDown": 18}
"""Degrees that an eye turns at weight 1."""

Units = dict[str, float]


class Slit:
    """An opening between two rims (mouth, eye): columns of skin above and below it.

    ``samples`` are skin vertices around it, ``at`` and ``wide`` where they are seen at rest and
    wide open, ``upper`` which of them lie above it, ``width`` half a column in pixels.
    """

    def __init__(
        self, samples: np.ndarray, at: np.ndarray, upper: np.ndarray, wide: np.ndarray, width: float
    ) -> None:
        self.samples, self.at, self.upper, self.width = samples, at, upper, width
        self.left, self.right = self._ends(wide)

    def column(self, x: float) -> tuple[np.ndarray, np.ndarray]:
        """Samples above and below the opening at picture column ``x`` of the neutral pose."""
        near = np.abs(self.at[:, 0] - x) < self.width
        return np.flatnonzero(near & self.upper), np.flatnonzero(near & ~self.upper)

    def edges(self, x: float, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rims' points in the column; one and the same where the opening is shut."""
        above, below = self.column(x)
        top = points[above[points[above, 1].argmax()]]
        bottom = points[below[points[below, 1].argmin()]]
        if top[1] > bottom[1] - 0.12 * self.width:
            top = bottom = (top + bottom) / 2
        return top, bottom

    def _ends(self, wide: np.ndarray) -> tuple[float, float]:
        """Columns where the opening ends, in a pose that opens it wide."""
        low, high = self.at[:, 0].min() + self.width, self.at[:, 0].max() - self.width
        xs = np.arange(low, high, self.width / 4)
        gaps = []
        for x in xs:
            above, below = self.column(float(x))
            shut = not len(above) or not len(below)
            gaps.append(0 if shut else wide[below, 1].min() - wide[above, 1].max())
        open_ = np.array(gaps) > 0.4 * self.width
        quarter = len(xs) // 4  # at the sides a coarse mesh may seem to gape
        middle = quarter + int(np.argmax(gaps[quarter:-quarter]))
        left, right = middle, middle
        while left > 0 and open_[left - 1]:
            left -= 1
        while right < len(xs) - 1 and open_[right + 1]:
            right += 1
        return float(xs[left]), float(xs[right])


@dataclass(frozen=True)
class Column:
    """Landmarks of one column: ``x`` in the neutral picture."""

    slit: Slit
    x: float
    top: int
    bottom: int


class FaceLandmarks:
    """``detected`` is (478, 2): what a face-mesh detector saw on the neutral render, in pixels."""

    def __init__(self, figure: Figure, stage: Stage, detected: np.ndarray) -> None:
        self.figure, self.stage = figure, stage
        self.triangles = figure.skin_triangles()
        self._neutral = self._skin({})
        self._projected = stage.project(self._neutral)
        eyes = np.mean([figure.head.eye_centre(s) for s in "rl"], axis=0)
        eyes[2] += figure.head.measures.eye_radius
        self._eye_depth = stage.project(eyes[None])[0, 2]
        self._columns = self._lip_columns(detected) + self._lid_columns(detected)
        placed = self._onto_rims(detected)
        self._bind(placed)
        self._iris_order = self._match_irises(detected)

    def at(self, units: Units) -> np.ndarray:
        """(478, 3) float32: x right, y down, z away from the viewer, 0 at the eyes; pixels."""
        skin = self._skin(units)
        projected = self.stage.project(skin)
        points = np.zeros((478, 3))
        bound = (projected[self._corners] * self._weights[..., None]).sum(1)
        points[:468] = bound + self._offsets
        for c in self._columns:
            edges = c.slit.edges(c.x, projected[c.slit.samples])
            points[c.top], points[c.bottom] = edges
            if c.top == c.bottom:
                points[c.top] = (edges[0] + edges[1]) / 2
        for outer, second, third, inner in LIP_RINGS:  # bound one by one, these would cross
            for ring, share in ((second, 0.36), (third, 0.72)):
                points[list(ring)] = points[list(outer)] * (1 - share) + points[list(inner)] * share
        for side in "rl":
            points[list(IRISES[side])] = self._iris(side, units)
        points[:, 2] -= self._eye_depth
        return points.astype(np.float32)

    def neck_pivot(self) -> tuple[float, float, float]:
        """Where skull meets neck, in the same pixels."""
        head = self.figure.head
        skull, neck = (
            head.rest[head.mesh.group_vertices(f"joint-{name}")].mean(0)
            for name in ("head", "neck")
        )
        joint = skull * 0.65 + neck * 0.35  # a nod bends the neck too
        x, y, depth = self.stage.project(joint[None])[0]
        return round(x, 1), round(y, 1), round(depth - self._eye_depth, 1)

    def _skin(self, units: Units) -> np.ndarray:
        self.figure.pose(units)
        return self.figure.skin_surface()

    def _near(self, centre: np.ndarray, reach: tuple[float, float, float]) -> np.ndarray:
        """Skin vertices in a box about ``centre``; ``reach`` is half width, half height, depth."""
        away = self._neutral - centre
        inside = (np.abs(away[:, :2]) < reach[:2]).all(1) & (away[:, 2] > -reach[2])
        return np.flatnonzero(inside)

    def _lip_columns(self, detected: np.ndarray) -> list[Column]:
        m = self.figure.head.measures
        samples = self._near(m.mouth, (0.42, 0.28, 0.16))
        at = self._projected[samples]
        wide = self.stage.project(self._skin({"jawOpen": 0.6}))[samples]
        fall = wide[:, 1] - at[:, 1]
        width = 0.004 * self.stage.size
        upper = np.zeros(len(samples), bool)
        for x in np.unique(np.round(at[:, 0])):
            near = np.abs(at[:, 0] - x) < width
            upper[near] = fall[near] < (fall[near].min() + fall[near].max()) / 2
        slit = Slit(samples, at, upper, wide, width)
        return self._columns_of(slit, LIPS_UPPER, LIPS_LOWER, detected)

    def _lid_columns(self, detected: np.ndarray) -> list[Column]:
        columns = []
        for side, (upper_ids, lower_ids) in LIDS.items():
            head = self.figure.head
            r = head.measures.eye_radius
            samples = self._near(head.eye_centre(side), (1.7 * r, 1.2 * r, -0.35 * r))
            at = self._projected[samples]
            shut = self.stage.project(self._skin({"eyeBlink": 1}))[samples]
            wide = self.stage.project(self._skin({"eyeWide": 0.7}))[samples]
            fall = shut[:, 1] - at[:, 1]
            left, right = detected[upper_ids[0]], detected[upper_ids[-1]]
            slope = (right[1] - left[1]) / (right[0] - left[0])
            line = left[1] + (at[:, 0] - left[0]) * slope
            upper = (at[:, 1] < line) | (fall > 0.5 * fall.max())
            slit = Slit(samples, at, upper, wide, 0.004 * self.stage.size)
            columns += self._columns_of(slit, upper_ids, lower_ids, detected)
        return columns

    def _columns_of(
        self, slit: Slit, upper: tuple[int, ...], lower: tuple[int, ...], detected: np.ndarray
    ) -> list[Column]:
        """Spread over the opening as the detector spread them, so pairs share a column."""
        seen = (detected[list(upper), 0] + detected[list(lower), 0]) / 2
        share = (seen - seen[0]) / (seen[-1] - seen[0])
        xs = slit.left + share * (slit.right - slit.left)
        return [Column(slit, float(x), a, b) for x, a, b in zip(xs, upper, lower, strict=True)]

    def _onto_rims(self, detected: np.ndarray) -> np.ndarray:
        """Move the detected points so that the rims are where they really are, neighbours along."""
        ids, goals = [], []
        for c in self._columns:
            top, bottom = c.slit.edges(c.x, self._projected[c.slit.samples])
            ids += [c.top, c.bottom]
            goals += [top[:2], bottom[:2]]
        moves = np.array(goals) - detected[ids]
        apart = np.linalg.norm(detected[:468, None] - detected[ids][None], axis=2)
        weight = np.exp(-((apart / (0.022 * self.stage.size)) ** 2))
        pull = (weight[..., None] * moves).sum(1) / (weight.sum(1, keepdims=True) + 0.25)
        placed = detected[:468] + pull
        placed[ids] = goals
        return placed

    def _bind(self, placed: np.ndarray) -> None:
        """Triangle and weights under every point; points beside the skin follow its nearest one."""
        surface = BVHTree.FromPolygons([tuple(v) for v in self._neutral], self.triangles.tolist())
        corners, weights = [], []
        front = self._projected[:, 2] < np.median(self._projected[:, 2])
        candidates = np.flatnonzero(front)
        for x, y in placed:
            origin, direction = self.stage.ray(float(x), float(y))
            hit, _, triangle, _ = surface.ray_cast(Vector(origin), Vector(direction))
            if hit is None or not front[self.triangles[triangle]].all():
                away = np.linalg.norm(self._projected[candidates, :2] - (x, y), axis=1)
                corners.append([candidates[away.argmin()]] * 3)
                weights.append(np.array([1.0, 0, 0]))
            else:
                corners.append(self.triangles[triangle])
                weights.append(barycentric(np.array(hit), self._neutral[self.triangles[triangle]]))
        self._corners, self._weights = np.array(corners), np.array(weights)
        bound = (self._projected[self._corners] * self._weights[..., None]).sum(1)
        self._offsets = np.c_[placed - bound[:, :2], np.zeros(len(placed))]

    def _iris(self, side: str, units: Units) -> np.ndarray:
        """Centre and rim of the iris, the rim in the detector's order."""
        head = self.figure.head
        yaw, pitch = _gaze(side, units)
        radius = head.eye_radius(side) * head.spec.eyeball_scale
        flat = np.cos(IRIS_ANGLE) * radius
        rim = np.sin(IRIS_ANGLE) * radius * np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]])
        points = np.c_[rim, np.full(5, flat)] @ (_turn_y(yaw) @ _turn_x(pitch)).T
        projected = self.stage.project(points + head.eye_centre(side) + FORWARD)
        order = getattr(self, "_iris_order", {}).get(side, range(5))
        return projected[list(order)]

    def _match_irises(self, detected: np.ndarray) -> dict[str, list[int]]:
        orders = {}
        for side, ids in IRISES.items():
            centre = detected[ids[0]]
            rim = self._iris(side, {})[:, :2]
            spokes = rim[1:] - rim[0]
            order = [int(np.argmax(spokes @ (detected[i] - centre))) + 1 for i in ids[1:]]
            if sorted(order) != [1, 2, 3, 4]:
                raise ValueError(f"the detected iris {side} is no cross: {order}")
            orders[side] = [0, *order]
        return orders


def _gaze(side: str, units: Units) -> tuple[float, float]:
    """(yaw to the character's left, pitch down) in radians."""
    suffix = "Left" if side == "l" else "Right"

    def degrees(name: str) -> float:
        return GAZE[name] * (units.get(name + suffix, 0) + units.get(name, 0))

    out = degrees("eyeLookOut") - degrees("eyeLookIn")
    yaw = out if side == "l" else -out
    return np.radians(yaw), np.radians(degrees("eyeLookDown") - degrees("eyeLookUp"))


def _turn_y(a: float) -> np.ndarray:
    c, s = np.cos(a), np.sin(a)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _turn_x(a: float) -> np.ndarray:
    c, s = np.cos(a), np.sin(a)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
