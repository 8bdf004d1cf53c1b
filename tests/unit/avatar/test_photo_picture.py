import struct

import cv2
import numpy as np
import pytest

from visavis.avatar.photo import PhotoRefused
from visavis.avatar.photo.picture import decode


def file(rgb, extension):
    _, data = cv2.imencode(extension, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def refusal(data):
    with pytest.raises(PhotoRefused) as caught:
        decode(data)
    (reason,) = caught.value.reasons
    return reason.code


@pytest.fixture
def scene():
    rgb = np.zeros((60, 90, 3), np.uint8)
    rgb[:30, :45] = (250, 20, 10)
    return rgb


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
def test_the_three_kinds_are_read_as_rgb(scene, extension):
    rgb = decode(file(scene, extension))
    assert rgb.shape == scene.shape
    assert rgb[10, 10, 0] > 200 > 60 > rgb[10, 10, 2]


def test_exif_turns_the_picture(scene):
    jpeg = file(scene, ".jpg")
    tag = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)  # orientation 6: turn clockwise
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 1) + tag + bytes(4)
    marked = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    rgb = decode(marked)
    assert rgb.shape == (90, 60, 3)
    assert rgb[10, 50, 0] > 200
    assert rgb[10, 10, 0] < 60


def test_transparent_parts_become_grey(scene):
    alpha = np.zeros((60, 90, 1), np.uint8)
    alpha[:30] = 255
    _, data = cv2.imencode(".png", np.dstack([scene[..., ::-1], alpha]))
    rgb = decode(data.tobytes())
    assert rgb[10, 10].tolist() == [250, 20, 10]
    assert rgb[50, 10].tolist() == [128, 128, 128]


def test_large_pictures_are_scaled_down():
    wide = np.zeros((100, 4000, 3), np.uint8)
    assert decode(file(wide, ".png")).shape == (75, 3000, 3)


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a" + bytes(40), b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", bytes(500)]
)
def test_what_is_no_picture_is_said_so(data):
    assert refusal(data) == "not_a_picture"


def test_a_cut_off_header_promise_is_no_picture(scene):
    assert refusal(file(scene, ".png")[:40]) == "not_a_picture"


def test_heic_is_named():
    assert refusal(b"\0\0\0\x18ftypheic" + bytes(40)) == "heic"


def test_a_bomb_is_refused_by_its_header():
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 50_000, 50_000)
    assert refusal(header + bytes(100)) == "too_large"
