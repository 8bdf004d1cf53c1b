"""The default character's file: whole, light, and its points where the renderer needs them."""

import numpy as np
import pytest

from visavis.avatar import rig
from visavis.avatar.coefficients import INDEX, vector

UPPER_LIP = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]
LOWER_LIP = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]
UPPER_LIDS = [246, 161, 160, 159, 158, 157, 173, 466, 388, 387, 386, 385, 384, 398]
LOWER_LIDS = [7, 163, 144, 145, 153, 154, 155, 249, 390, 373, 374, 380, 381, 382]


@pytest.fixture(scope="module")
def ava() -> rig.Rig:
    return rig.load(rig.find("ava"))


def gap(points: np.ndarray, above: list[int], below: list[int], size: int) -> np.ndarray:
    """How far the rims are apart, as shares of the picture."""
    return (points[below, 1] - points[above, 1]) / size


def key(ava: rig.Rig, name: str) -> rig.Key:
    return next(k for k in ava.keys if k.name == name)


def test_is_whole_and_light(ava: rig.Rig) -> None:
    assert rig.find("ava").stat().st_size <= 1.5e6
    assert {k.name for k in ava.keys} >= {"jawOpen", "blink", "eyeWide", "smile", "pucker", "wide"}
    assert ava.manifest.consent.subject == "synthetic"
    assert ava.manifest.licence.spdx == "CC0-1.0"
    assert ava.deltas is not None


def test_lips_meet_at_rest_and_part_in_the_open_key(ava: rig.Rig) -> None:
    size = ava.manifest.size
    assert np.abs(gap(ava.landmarks, UPPER_LIP, LOWER_LIP, size)).max() < 0.002
    opened = gap(key(ava, "jawOpen").landmarks, UPPER_LIP[3:8], LOWER_LIP[3:8], size)
    assert opened.min() > 0.03


def test_lids_are_open_at_rest_and_meet_in_the_blink(ava: rig.Rig) -> None:
    size = ava.manifest.size
    assert gap(ava.landmarks, UPPER_LIDS, LOWER_LIDS, size).min() > 0
    assert gap(ava.landmarks, [159, 386], [145, 374], size).min() > 0.02
    assert np.abs(gap(key(ava, "blink").landmarks, UPPER_LIDS, LOWER_LIDS, size)).max() < 0.002


@pytest.mark.parametrize("name", ["blink", "eyeWide", "smile", "pucker", "wide"])
def test_deltas_lead_to_the_keys(ava: rig.Rig, name: str) -> None:
    assert ava.deltas is not None
    pose = key(ava, name)
    moved = ava.landmarks + np.einsum("c,cpx->px", vector(pose.pose.coefficients), ava.deltas)
    away = np.linalg.norm((moved - pose.landmarks)[:468, :2], axis=1) / ava.manifest.size
    assert np.median(away) < 0.002
    assert np.percentile(away, 95) < 0.012


def test_left_is_on_the_right_of_the_picture_and_the_nose_is_nearest(ava: rig.Rig) -> None:
    points = ava.landmarks
    assert points[33, 0] < points[133, 0] < points[362, 0] < points[263, 0]
    assert points[:468, 2].argmin() in {1, 4, 5, 19, 44, 45, 274, 275, 94, 195, 2}
    assert ava.deltas is not None
    smile = ava.deltas[INDEX["mouthSmileLeft"]]
    assert np.linalg.norm(smile[308]) > 4 * np.linalg.norm(smile[78])


def test_the_ground_is_clear_and_the_face_is_not(ava: rig.Rig) -> None:
    size = ava.manifest.size
    assert ava.texture[: size // 20, :, 3].max() == 0
    x, y = ava.landmarks[[1, 50, 280, 152], :2].round().astype(int).T
    assert ava.texture[y, x, 3].min() == 255
