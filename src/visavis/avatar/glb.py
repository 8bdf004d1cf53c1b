"""A rig as binary glTF 2.0, for any 3-D tool: one unlit relief with the 52 ARKit morph targets.

What a mesh can carry is carried: the face, the rings of hair and shoulders around it, eyes that
look about, the inside of the mouth. Key textures, which visavis fades in for creases and closed
lids, have no counterpart in glTF and stay behind.
"""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.coefficients import ARKIT
from visavis.avatar.lanes import U8
from visavis.avatar.mesh import F32, I32, Mesh
from visavis.avatar.mouth import painted
from visavis.avatar.rig import Rig
from visavis.avatar.stage import bleed, without_lids
from visavis.avatar.topology import CHIN, EYES, LOWER_LIP, OVAL, UPPER_LIP, Indices

_EYES_APART_M = 0.09
"""Outer eye corners of a grown person: what makes texture pixels metres."""
_EYE_REACH = (0.2, 0.13)
"""How far the iris goes at full gaze, in eye widths."""
_FLOAT, _INT = 5126, 5125
_CLAMP, _LINEAR = 33071, 9729
_VERTICES, _TRIANGLES = 34962, 34963


@dataclass(frozen=True, slots=True)
class _Part:
    """One primitive: points (n, 3) in texture pixels, where they lie in its picture (n, 2; 0 to 1),
    faces wound clockwise as seen, what each ARKit coefficient adds (52, n, 3), RGBA."""

    name: str
    points: F32
    at: F32
    triangles: I32
    targets: F32 | None
    picture: U8
    see_through: bool


@dataclass(slots=True)
class _File:
    """The JSON of a glTF in the making, and its one buffer."""

    json: dict[str, Any]
    data: bytearray = field(default_factory=bytearray)

    def view(self, data: bytes, target: int | None = None) -> int:
        self.data += bytes(-len(self.data) % 4)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        self.data += data
        return self.add("bufferViews", view | ({"target": target} if target else {}))

    def add(self, kind: str, item: dict[str, Any]) -> int:
        self.json[kind].append(item)
        return len(self.json[kind]) - 1

    def vectors(self, values: F32) -> int:
        """Vertex data, (n, 2 or 3)."""
        values = np.ascontiguousarray(values, "<f4")
        accessor = {
            "bufferView": self.view(values.tobytes(), _VERTICES),
            "componentType": _FLOAT,
            "count": len(values),
            "type": f"VEC{values.shape[1]}",
            "min": values.min(0).tolist(),
            "max": values.max(0).tolist(),
        }
        return self.add("accessors", accessor)


def export(rig: Rig) -> bytes:
    """The rig as the bytes of a ``.glb`` file, in metres, looking along +Z."""
    mesh = Mesh.build(rig, 1.0, 0.0)
    scale = _EYES_APART_M / mesh.unit
    out = _File(_frame(rig))
    for part in (_mouth(rig, mesh), *_eyes(rig, mesh), _face(rig, mesh)):
        node = out.add("nodes", {"name": part.name, "mesh": _mesh(out, part, mesh, scale)})
        out.json["nodes"][0]["children"].append(node)
    out.json["buffers"][0]["byteLength"] = len(out.data)
    return _packed(out)


def _frame(rig: Rig) -> dict[str, Any]:
    about = rig.manifest
    return {
        "asset": {"version": "2.0", "generator": "visavis", "copyright": about.licence.credit},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [
            {
                "name": about.name,
                "children": [],
                "extras": {
                    "licence": about.licence.model_dump(),
                    "consent": about.consent.model_dump(exclude_none=True),
                },
            }
        ],
        **{kind: [] for kind in ("meshes", "materials", "textures", "images")},
        "samplers": [
            {"magFilter": _LINEAR, "minFilter": _LINEAR, "wrapS": _CLAMP, "wrapT": _CLAMP}
        ],
        **{kind: [] for kind in ("accessors", "bufferViews")},
        "buffers": [{"byteLength": 0}],
    }


def _mesh(out: _File, part: _Part, mesh: Mesh, scale: float) -> int:
    away = np.array([1, -1, -1], np.float32)  # glTF: y up, z towards the viewer
    faces = np.ascontiguousarray(part.triangles[:, ::-1], "<u4")
    indices = {
        "bufferView": out.view(faces.tobytes(), _TRIANGLES),
        "componentType": _INT,
        "count": faces.size,
        "type": "SCALAR",
    }
    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": out.vectors((part.points - mesh.pivot) * away * scale),
            "TEXCOORD_0": out.vectors(part.at),
        },
        "indices": out.add("accessors", indices),
        "material": _material(out, part),
    }
    made: dict[str, Any] = {"name": part.name, "primitives": [primitive]}
    if part.targets is not None:
        moves = part.targets * away * scale
        primitive["targets"] = [{"POSITION": out.vectors(move)} for move in moves]
        made |= {"weights": [0.0] * len(ARKIT), "extras": {"targetNames": list(ARKIT)}}
    return out.add("meshes", made)


def _material(out: _File, part: _Part) -> int:
    _, png = cv2.imencode(".png", cv2.cvtColor(part.picture, cv2.COLOR_RGBA2BGRA))
    image = {"name": part.name, "mimeType": "image/png", "bufferView": out.view(png.tobytes())}
    texture = out.add("textures", {"sampler": 0, "source": out.add("images", image)})
    return out.add(
        "materials",
        {
            "name": part.name,
            "pbrMetallicRoughness": {"baseColorTexture": {"index": texture}, "metallicFactor": 0},
            "alphaMode": "BLEND" if part.see_through else "OPAQUE",
            "doubleSided": True,
            "extensions": {"KHR_materials_unlit": {}},
        },
    )


def _face(rig: Rig, mesh: Mesh) -> _Part:
    """The face and its rings; rings that leave the picture end at its border."""
    size = rig.manifest.size
    count = len(mesh.points)
    rings = mesh.ring_points.copy()
    rings[:, :2] = rings[:, :2].clip(0, size)
    around = np.concatenate([OVAL, np.arange(count, count + len(rings))])
    triangles = np.concatenate([around[mesh.ring_triangles], mesh.triangles])
    points = np.concatenate([mesh.points, rings])
    a, b, c = (points[triangles[:, n], :2] for n in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    outline = np.tile(mesh.deltas[:, OVAL], (1, len(rings) // len(OVAL), 1))
    return _Part(
        "face",
        points,
        points[:, :2] / np.float32(size),
        triangles[area > 1e-3].astype(np.int32),
        np.concatenate([mesh.deltas, outline * mesh.follow], 1),
        bleed(rig.texture),
        see_through=True,
    )


def _eyes(rig: Rig, mesh: Mesh) -> list[_Part]:
    """A little more than what shows between the lids, just behind them; it looks about."""
    key = next((key for key in rig.keys if key.name == "eyeWide"), None)
    points = (rig if key is None else key).landmarks
    picture = without_lids(bleed((rig if key is None else key).texture), points, mesh.unit)
    parts: list[_Part] = []
    for name, (upper, lower, _) in zip(("Right", "Left"), EYES, strict=True):
        width = float(np.ptp(mesh.points[upper, 0]))
        loop = _loop(points, upper, lower)
        loop = loop.mean(0) + (loop - loop.mean(0)) * np.array([1.3, 1.6, 0], np.float32)
        loop[:, 2] = mesh.points[np.concatenate([upper, lower]), 2].max() + 0.02 * mesh.unit
        moves = np.zeros((len(ARKIT), len(loop), 3), np.float32)
        inward = 1 if name == "Right" else -1
        for look, axis, sign in (
            ("In", 0, inward),
            ("Out", 0, -inward),
            ("Down", 1, 1),
            ("Up", 1, -1),
        ):
            moves[ARKIT.index(f"eyeLook{look}{name}"), :, axis] = sign * _EYE_REACH[axis] * width
        parts.append(_plane(f"eye{name}", loop, picture, moves))
    return parts


def _mouth(rig: Rig, mesh: Mesh) -> _Part:
    """The inside of the mouth as seen wide open, behind lips and chin."""
    key = next((key for key in rig.keys if key.name == "jawOpen"), None)
    if key is None:
        inside = painted(mesh)
        picture, upper, lower = inside.picture, inside.upper, inside.lower
    else:
        picture = key.texture
        upper, lower = key.landmarks[UPPER_LIP, :2], key.landmarks[LOWER_LIP, :2]
    flat = np.concatenate([upper, lower[-2:0:-1]])
    near = np.concatenate([UPPER_LIP, LOWER_LIP, [CHIN]])
    depth = np.full(len(flat), mesh.points[near, 2].max() + 0.02 * mesh.unit, np.float32)
    return _plane("mouth", np.column_stack([flat, depth]), picture, None)


def _loop(points: F32, upper: Indices, lower: Indices) -> F32:
    """Around an opening, clockwise as seen, each corner once."""
    return points[np.concatenate([upper, lower[-2:0:-1]])]


def _plane(name: str, loop: F32, picture: U8, targets: F32 | None) -> _Part:
    """A flat polygon (n, 3) with the part of the picture that it covers."""
    height, width = picture.shape[:2]
    x0, y0 = np.clip(np.floor(loop[:, :2].min(0)).astype(int) - 2, 0, (width - 8, height - 8))
    x1, y1 = np.clip(np.ceil(loop[:, :2].max(0)).astype(int) + 2, (x0 + 8, y0 + 8), (width, height))
    crop: NDArray[np.uint8] = picture[y0:y1, x0:x1].copy()
    crop[..., 3] = 255
    at = ((loop[:, :2] - (x0, y0)) / (x1 - x0, y1 - y0)).astype(np.float32)
    fan = np.arange(1, len(loop) - 1, dtype=np.int32)
    triangles = np.column_stack([np.zeros_like(fan), fan, fan + 1])
    return _Part(name, loop.astype(np.float32), at, triangles, targets, crop, see_through=False)


def _packed(out: _File) -> bytes:
    text = json.dumps(out.json, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % 4)
    data = bytes(out.data) + bytes(-len(out.data) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text
    body += struct.pack("<II", len(data), 0x004E4942) + data
    return struct.pack("<III", 0x46546C67, 2, 12 + len(body)) + body
