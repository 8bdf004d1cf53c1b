"""Rigs as glTF, read back by a reader of our own."""

import json
import struct
from typing import Any

import cv2
import numpy as np
import pytest

from visavis.avatar import glb
from visavis.avatar.coefficients import ARKIT
from visavis.avatar.mesh import Mesh
from visavis.avatar.rig import Rig
from visavis.avatar.topology import CHIN, LOWER_LIP, UPPER_LIP

_KINDS = {5126: "<f4", 5125: "<u4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}


class Read:
    """A GLB taken apart."""

    def __init__(self, data: bytes) -> None:
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        self.json: dict[str, Any] = json.loads(data[20 : 20 + size])
        binary, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert kind == b"BIN\0"
        assert size % 4 == binary % 4 == 0
        assert 28 + size + binary == len(data)
        self.data = data[28 + size :]

    def view(self, index: int) -> bytes:
        view = self.json["bufferViews"][index]
        return self.data[view["byteOffset"] :][: view["byteLength"]]

    def numbers(self, index: int) -> np.ndarray:
        accessor = self.json["accessors"][index]
        flat = np.frombuffer(self.view(accessor["bufferView"]), _KINDS[accessor["componentType"]])
        width = _WIDTHS[accessor["type"]]
        assert len(flat) == accessor["count"] * width
        return flat.reshape(-1, width)

    def mesh(self, name: str) -> dict[str, Any]:
        return next(mesh for mesh in self.json["meshes"] if mesh["name"] == name)

    def positions(self, name: str, **weights: float) -> np.ndarray:
        mesh = self.mesh(name)
        primitive = mesh["primitives"][0]
        out = self.numbers(primitive["attributes"]["POSITION"]).copy()
        for target, weight in weights.items():
            at = mesh["extras"]["targetNames"].index(target)
            out += weight * self.numbers(primitive["targets"][at]["POSITION"])
        return out


@pytest.fixture(scope="module", params=["ava", "bare"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def read(rig: Rig) -> Read:
    return Read(glb.export(rig))


def test_it_names_the_52_movements_and_says_whose_face_it_is(read: Read, rig: Rig) -> None:
    mesh = read.mesh("face")
    assert mesh["extras"]["targetNames"] == list(ARKIT)
    assert len(mesh["primitives"][0]["targets"]) == len(mesh["weights"]) == 52
    root = read.json["nodes"][read.json["scenes"][0]["nodes"][0]]
    assert root["extras"]["consent"]["subject"] == rig.manifest.consent.subject
    assert root["extras"]["licence"]["spdx"] == rig.manifest.licence.spdx
    named = [read.json["nodes"][child]["name"] for child in root["children"]]
    assert sorted(named) == ["eyeLeft", "eyeRight", "face", "mouth"]


def test_every_material_is_unlit_and_its_picture_inside(read: Read, rig: Rig) -> None:
    assert all("KHR_materials_unlit" in m["extensions"] for m in read.json["materials"])
    for image in read.json["images"]:
        pixels = cv2.imdecode(np.frombuffer(read.view(image["bufferView"]), np.uint8), -1)
        assert pixels is not None
        assert pixels.shape[2] == 4
        if image["name"] == "face":
            seen = rig.texture[..., 3] == 255
            rgb = pixels[..., [2, 1, 0]]
            np.testing.assert_array_equal(rgb[seen], rig.texture[..., :3][seen])


def test_the_texture_lies_flat_and_faces_the_viewer(read: Read, rig: Rig) -> None:
    primitive = read.mesh("face")["primitives"][0]
    points = read.positions("face")
    at = read.numbers(primitive["attributes"]["TEXCOORD_0"])
    assert at.min() >= 0
    assert at.max() <= 1
    pixels = at * rig.manifest.size
    scale = np.ptp(points[:, 0]) / np.ptp(pixels[:, 0])
    pivot = Mesh.build(rig, 1.0, 0.0).pivot
    np.testing.assert_allclose(points[:, 0], (pixels[:, 0] - pivot[0]) * scale, atol=1e-5)
    np.testing.assert_allclose(points[:, 1], -(pixels[:, 1] - pivot[1]) * scale, atol=1e-5)
    faces = read.numbers(primitive["indices"]).reshape(-1, 3)
    a, b, c = (points[faces[:, n], :2] for n in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    assert (area > 0).all(), "counter-clockwise as seen from +Z"
    covered = area.sum() / 2 / (scale * rig.manifest.size) ** 2
    assert covered > 0.9, "all of the picture but the openings"


def test_it_is_as_large_as_a_person_and_its_nose_comes_first(read: Read) -> None:
    points = read.positions("face")[:478]
    assert 0.08 < np.linalg.norm((points[33] - points[263])[:2]) < 0.1
    assert points[1, 2] > points[[33, 263, 152, 10], 2].max()


def test_movements_do_what_their_names_say(read: Read) -> None:
    rest, open_ = read.positions("face"), read.positions("face", jawOpen=1.0)
    assert rest[CHIN, 1] - open_[CHIN, 1] > 0.005, "the chin goes down"
    apart = open_[UPPER_LIP, 1] - open_[LOWER_LIP, 1]
    assert apart.max() > 0.005
    shut = read.positions("face", eyeBlinkLeft=1.0)
    assert abs(shut[386, 1] - shut[374, 1]) < 1e-4 < rest[386, 1] - rest[374, 1]
    np.testing.assert_array_equal(shut[159], rest[159])
    for side, inward in (("Right", 1), ("Left", -1)):
        eye = f"eye{side}"
        moved = read.positions(eye, **{f"eyeLookIn{side}": 1.0}) - read.positions(eye)
        assert (moved[:, 0] * inward > 0.002).all()


def test_eyes_and_mouth_lie_behind_their_openings(read: Read) -> None:
    face = read.positions("face")
    for name, edge in (("mouth", [13, 14]), ("eyeRight", [159, 145]), ("eyeLeft", [386, 374])):
        inside = read.positions(name)
        assert inside[:, 2].max() < face[edge, 2].min()
        assert inside[:, 0].min() < face[edge, 0].mean() < inside[:, 0].max()
