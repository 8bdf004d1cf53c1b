"""The character's head in numbers: posable vertices, measures of the face, the skin's surface."""

import math
from dataclasses import dataclass

import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree
from scipy.interpolate import PchipInterpolator

from . import makehuman as mh
from .skin import read_mask
from .spec import CharacterSpec

BUST_FLOOR = 3.6
"""Nothing below this height (dm) is in the picture."""
EYES_AT = np.array([0.0, 7.28, 1.25])
"""Where the midpoint between the eyes is put (y, z), so one camera suits every character."""
BROW = [(-1.12, 1.38, 0.80), (-0.6, 1.50, 1.0), (0.1, 1.66, 0.96), (0.75, 1.69, 0.76),
        (1.2, 1.55, 0.52), (1.48, 1.40, 0.26)]  # fmt: skip
"""(x, y) from the eye's centre in eye radii, relative width."""

GAIN = {
    "browInnerUp": 2.2,
    "browOuterUp": 2.0,
    "browDown": 2.0,
    "mouthFrown": 1.1,
    "mouthSmile": 0.7,
}
"""The face units move a stylised brow too little, and crease a cheek that smiles at rest."""

ROUNDED = frozenset({"mouthPucker", "mouthFunnel"})
"""Units that drag the corners of the jaw along; lips round without that."""


def smoothstep(low: float, high: float, x: np.ndarray | float) -> np.ndarray:
    t = np.clip((np.asarray(x) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def unit(a: np.ndarray) -> np.ndarray:
    return a / (np.linalg.norm(a, axis=-1, keepdims=True) + 1e-9)


@dataclass(frozen=True)
class Measures:
    """Places on the face at rest, decimetres; sided ones are the character's left (+x)."""

    eye: np.ndarray
    eye_radius: float
    mouth: np.ndarray
    nose: np.ndarray
    chin: np.ndarray
    chin_y: float
    top_y: float
    head_centre: np.ndarray
    forehead: np.ndarray
    cheek: np.ndarray
    face_half_width: float
    hairline: tuple[tuple[float, float], ...]

    @property
    def eye_y(self) -> float:
        return float(self.eye[1])

    def height(self, y: np.ndarray | float) -> np.ndarray:
        """0 at the eyes, 1 at the crown."""
        return (np.asarray(y) - self.eye_y) / (self.top_y - self.eye_y)

    def azimuth(self, points: np.ndarray) -> np.ndarray:
        """Degrees from the front, either side."""
        z = points[..., 2] - self.head_centre[2]
        return np.degrees(np.arctan2(np.abs(points[..., 0]), z))

    def above_hairline(self, points: np.ndarray) -> np.ndarray:
        return points[..., 1] - self.hairline_y(self.azimuth(points))

    def hairline_y(self, azimuth: np.ndarray | float) -> np.ndarray:
        curve = PchipInterpolator(*zip(*self.hairline, strict=True))
        return self.eye_y + curve(np.clip(azimuth, 0, 180)) * (self.top_y - self.eye_y)


class Head:
    """The character's bust: vertices at rest, and what the rest of the studio asks about it."""

    def __init__(self, spec: CharacterSpec) -> None:
        self.spec = spec
        self.mesh = mh.base_mesh()
        self.rest = mh.body_shape(spec)
        self.head_weight = _head_weights(len(self.rest))
        self._lower_arms()
        self._stylise()
        self._centre_eyes()
        self.faces = [
            f for f in self.mesh.groups["body"] if self.rest[list(f.v), 1].min() > BUST_FLOOR
        ]
        self.triangles = triangulate(self.faces)
        self.is_ear = self._vertex_mask("ears", 0.4)
        self.is_lip = self._vertex_mask("lips", 0.5)
        self.is_lid = self._vertex_mask("eyelids", 0.3)
        self.is_mouth_inside = self._vertex_mask("inside-mouth", 0.5)
        self.surface = BVHTree.FromPolygons([tuple(v) for v in self.rest], self.triangles.tolist())
        self.measures = self._measure()

    def pose(self, units: dict[str, float]) -> np.ndarray:
        """Vertices of the resting face plus ``units`` (ARKit names; bare names for both sides)."""
        units = mh.sided(units)
        total = {n: w * GAIN.get(n.removesuffix("Left").removesuffix("Right"), 1)
                 for n, w in units.items()}  # fmt: skip
        for name, weight in mh.sided(self.spec.rest).items():
            left = 1 - min(1.0, max((units.get(n, 0) for n in _ends_rest(name)), default=0) * 1.6)
            total[name] = total.get(name, 0) + weight * min(1.0, left)
        for side in ("Left", "Right"):
            blink = f"eyeBlink{side}"
            total[blink] = min(1.0, total.get(blink, 0)) * self.spec.blink_scale
        rounded = {n: total.pop(n) for n in ROUNDED & total.keys()}
        vertices = mh.add_face_units(self.rest.copy(), total)
        away = np.linalg.norm((self.rest - self.measures.mouth)[:, :2], axis=1)
        near = 1 - smoothstep(0.40, 0.68, away)
        moved = mh.add_face_units(np.zeros_like(self.rest), rounded)
        return vertices + moved * near[:, None]

    def eye_centre(self, side: str) -> np.ndarray:
        e = self.rest[self.mesh.group_vertices(f"helper-{side}-eye")]
        return (e.max(0) + e.min(0)) / 2

    def eye_radius(self, side: str) -> float:
        e = self.rest[self.mesh.group_vertices(f"helper-{side}-eye")]
        return float((e.max(0) - e.min(0))[:2].mean() / 2)

    def nearest(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Nearest skin point at rest, its normal and its triangle."""
        location, normal, triangle, _ = self.surface.find_nearest(Vector(point))
        return np.array(location), np.array(normal), triangle

    def brow_line(self) -> list[tuple[np.ndarray, float]]:
        """Points on the skin along the character's left brow, with half widths."""
        m = self.measures
        x, y, w = zip(*BROW, strict=True)
        curve = PchipInterpolator(x, np.array([y, w]).T)
        line = []
        for t in np.linspace(x[0], x[-1], 28):
            up, width = curve(t)
            origin = Vector((m.eye[0] + t * m.eye_radius, m.eye_y + up * m.eye_radius, 3.0))
            hit = self.surface.ray_cast(origin, Vector((0, 0, -1)))[0]
            line.append((np.array(hit), float(width) * self.spec.brow_width))
        return line

    def beard_amount(self, points: np.ndarray) -> np.ndarray:
        """0 to 1: how densely a short beard grows at points of the face at rest."""
        m = self.measures
        x, drop = np.abs(points[:, 0]), m.mouth[1] - points[:, 1]
        cheek_line = 0.03 - 0.66 * smoothstep(0.28, 1.0, x)
        jaw = smoothstep(0.0, 0.10, drop - cheek_line)
        below = 1 - smoothstep(0.06, 0.24, drop + 0.25 * x - (m.mouth[1] - m.chin_y))
        lips = np.exp(-((x / 0.38) ** 4) - ((drop - 0.02) / 0.125) ** 4)
        arch = (drop + 0.125 - 1.0 * x * x) / 0.075
        moustache = np.exp(-((x / 0.40) ** 6) - arch**4)
        ahead = smoothstep(0.05, 0.3, points[:, 2])
        return np.clip(np.maximum(jaw * below * (1 - lips), moustache) * ahead, 0, 1)

    def _lower_arms(self) -> None:
        for side, sign in (("l", 1), ("r", -1)):
            joint = self.mesh.group_vertices(f"joint-{side}-shoulder")
            pivot = self.rest[joint].mean(0)
            angle = -sign * math.radians(self.spec.arm_angle)
            c, s = math.cos(angle), math.sin(angle)
            turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
            w = _arm_weights(side.upper(), len(self.rest))[:, None]
            self.rest = self.rest * (1 - w) + ((self.rest - pivot) @ turn.T + pivot) * w

    def _stylise(self) -> None:
        """A slightly larger head on the body, and larger eyes in the head."""
        group = self.mesh.group_vertices
        neck, skull = self.rest[group("joint-neck")], self.rest[group("joint-head")]
        pivot = skull.mean(0) * 0.75 + neck.mean(0) * 0.25
        grow = self.head_weight**1.5 * (self.spec.head_scale - 1)
        self.rest = self.rest + (self.rest - pivot) * grow[:, None]
        for side in "lr":
            centre, radius = self.eye_centre(side), self.eye_radius(side)
            distance = np.linalg.norm((self.rest - centre) / [1.25, 1, 1.2], axis=1)
            near = (1 - smoothstep(radius * 1.25, radius * 2.6, distance)) * self.head_weight
            grow = near * (self.spec.eye_scale - 1)
            self.rest = self.rest + (self.rest - centre) * grow[:, None]

    def _centre_eyes(self) -> None:
        middle = (self.eye_centre("l") + self.eye_centre("r")) / 2
        self.rest = self.rest + EYES_AT - [0, *middle[1:]]

    def _vertex_mask(self, name: str, threshold: float) -> np.ndarray:
        image = read_mask(name, 1024)
        mask = np.zeros(len(self.rest), bool)
        for f in self.faces:
            u, v = (self.mesh.uvs[list(f.uv)] * 1024).astype(int).clip(0, 1023).T
            mask[list(f.v)] = image[1023 - v, u] > threshold
        return mask

    def _measure(self) -> Measures:
        skin = self.rest[np.unique(self.triangles)]
        eye = (self.eye_centre("l") + self.eye_centre("r") * [-1, 1, 1]) / 2
        radius = self.eye_radius("l")
        lips = self.rest[self.is_lip]
        lips = lips[lips[:, 2] > lips[:, 2].max() - 0.35]
        mouth = np.array([0, lips[:, 1].mean(), lips[:, 2].max()])
        middle = skin[np.abs(skin[:, 0]) < 0.06]
        nose = middle[(middle[:, 1] < eye[1]) & (middle[:, 1] > mouth[1])]
        nose = nose[nose[:, 2].argmax()]
        below = mouth[1] - middle[:, 1]
        chin = middle[(below > 0.12) & (below < 0.6) & (middle[:, 2] > mouth[2] - 0.5)]
        chin = chin[chin[:, 2].argmax()]
        under = middle[(middle[:, 2] > chin[2] - 0.35) & (middle[:, 1] > chin[1] - 0.5)]
        top_y, up = skin[:, 1].max(), skin[:, 1].max() - eye[1]
        level = skin[(np.abs(skin[:, 1] - eye[1]) < 0.08) & (skin[:, 2] > 0.55)]
        return Measures(
            eye=eye,
            eye_radius=radius,
            mouth=mouth,
            nose=nose,
            chin=chin,
            chin_y=float(under[:, 1].min()),
            top_y=float(top_y),
            head_centre=np.array([0, eye[1] + 0.42 * up, 0.12]),
            forehead=np.array([0, eye[1] + 0.45 * up, skin[:, 2].max() - 0.15]),
            cheek=np.array([eye[0] * 1.42, nose[1] - 0.02, nose[2] - 0.45]),
            face_half_width=float(np.abs(level[:, 0]).max()),
            hairline=self.spec.hair.hairline,
        )


def _ends_rest(name: str) -> list[str]:
    """Units that make this part of the resting face go: no wide eye shuts, no smile says p."""
    side = name[len(name.removesuffix("Left").removesuffix("Right")) :]
    if name.startswith("eyeWide"):
        return [f"eyeBlink{side}"]
    if name.startswith("mouthSmile"):
        return [
            f"mouthFrown{side}",
            f"mouthPress{side}",
            "mouthRollLower",
            "mouthPucker",
            "mouthFunnel",
        ]
    return []


def triangulate(faces: list[mh.Face]) -> np.ndarray:
    quads = [q for f in faces for q in ((0, 1, 2), (0, 2, 3))[: len(f.v) - 2]]
    owner = [f for f in faces for _ in range(len(f.v) - 2)]
    return np.array([[f.v[i] for i in q] for f, q in zip(owner, quads, strict=True)])


def _head_weights(count: int) -> np.ndarray:
    """1 on the head, graded along the neck, 0 on the body."""
    body = ("breast", "clavicle", "finger", "foot", "lowerarm", "lowerleg", "metacarpal", "pelvis",
            "root", "shoulder", "spine", "toe", "upperarm", "upperleg", "wrist")  # fmt: skip
    neck = {"neck01": 0.3, "neck02": 0.6, "neck03": 0.85}
    weight = np.zeros(count)
    for bone, pairs in mh.bone_weights().items():
        if not bone.startswith(body):
            for i, w in pairs:
                weight[i] += w * neck.get(bone[:6], 1.0)
    groups = mh.base_mesh().groups
    helpers = [n for n in groups if n.startswith("helper-") and
               any(k in n for k in ("eye", "teeth", "tongue"))]  # fmt: skip
    weight[mh.base_mesh().group_vertices(*helpers)] = 1
    return np.clip(weight, 0, 1)


def _arm_weights(side: str, count: int) -> np.ndarray:
    parts = ("upperarm", "lowerarm", "wrist", "hand", "finger", "metacarpal")
    weight = np.zeros(count)
    for bone, pairs in mh.bone_weights().items():
        if bone.endswith("." + side) and any(p in bone for p in parts):
            for i, w in pairs:
                weight[i] += w
    return weight
