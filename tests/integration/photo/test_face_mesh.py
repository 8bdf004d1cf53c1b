import cv2
import numpy as np
import pytest

from tests.integration.photo.conftest import rotated
from visavis.avatar import rig


def test_points_lie_where_the_baked_head_has_them(mesh):
    ava = rig.load(rig.find("ava"))
    share = ava.texture[..., 3:] / 255
    rgb = (ava.texture[..., :3] * share + 120 * (1 - share)).astype(np.uint8)
    (face,) = mesh.detect(rgb)
    off = np.linalg.norm(face.landmarks[:, :2] - ava.landmarks[:, :2], axis=1)
    eyes = np.linalg.norm(ava.landmarks[33, :2] - ava.landmarks[263, :2])
    assert np.median(off) < 0.03 * eyes
    depth = np.corrcoef(face.landmarks[:468, 2], ava.landmarks[:468, 2])[0, 1]
    assert depth > 0.85


def test_irises_lie_between_the_lids(mesh, photo):
    (face,) = mesh.detect(photo("hopper"))
    points = face.landmarks[:, :2]
    for centre, outer, inner, top, bottom in ((468, 33, 133, 159, 145), (473, 263, 362, 386, 374)):
        low, high = sorted((points[outer, 0], points[inner, 0]))
        assert low < points[centre, 0] < high
        assert points[top, 1] < points[centre, 1] < points[bottom, 1] + 2
    assert face.presence > 0.99
    assert face.score > 0.8


@pytest.mark.parametrize("degrees", [-30, 20, 40])
def test_a_tilted_head_gets_the_same_points(mesh, photo, degrees):
    straight = photo("hopper")
    (first,), (second,) = mesh.detect(straight), mesh.detect(rotated(straight, degrees))
    height, width = straight.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    expected = first.landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    off = np.linalg.norm(second.landmarks[:, :2] - expected, axis=1)
    eyes = np.linalg.norm(expected[33] - expected[263])
    assert np.median(off) < 0.04 * eyes


def test_a_small_face_is_found_and_the_largest_comes_first(mesh, photo):
    scene = np.full((900, 1600, 3), 90, np.uint8)
    scene[100:700, 80:592] = photo("hopper")
    small = cv2.resize(photo("collins"), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    scene[300 : 300 + len(small), 1200 : 1200 + small.shape[1]] = small
    first, second = mesh.detect(scene, thorough=True)
    assert first.box[2] < 600 < 1200 < second.box[0]


def test_no_face_no_points(mesh):
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8)
    assert mesh.detect(noise) == []
