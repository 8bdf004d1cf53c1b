from dataclasses import replace

import numpy as np
import pytest

from visavis.avatar import rig
from visavis.avatar.photo.checks import (
    Angles,
    Look,
    Shape,
    angles,
    look,
    problems,
    remarks,
    shape,
    turned,
)
from visavis.avatar.photo.lips import closed
from visavis.avatar.topology import LOWER_LIP, UPPER_LIP

FINE_SHAPE = Shape(320.0, Angles(0, 0, 0), (0.3, 0.3), 0.01, True)
FINE_LOOK = Look(
    bright=190,
    washed_out=0.0,
    sides=0.9,
    sharpness=1.5,
    eye_contrast=0.7,
    eye_shade=0.9,
    lips=7.0,
    mouth_line=0.2,
    colour=22.0,
)


@pytest.fixture(scope="module")
def ava():
    return rig.load(rig.find("ava"))


@pytest.fixture(scope="module")
def points(ava):
    return ava.landmarks * (512 / ava.manifest.size)


def spun(points, axis, degrees):
    """The head turned about its own middle in space: axis 1 is yaw, axis 0 is pitch."""
    angle = np.radians(degrees)
    a, b = ((0, 2), (1, 2))[axis == 0]
    out, centre = points.copy(), points.mean(0)
    out[:, a] = centre[a] + np.cos(angle) * (points - centre)[:, a]
    out[:, a] -= np.sin(angle) * (points - centre)[:, b]
    out[:, b] = centre[b] + np.sin(angle) * (points - centre)[:, a]
    out[:, b] += np.cos(angle) * (points - centre)[:, b]
    return out


def test_a_straight_head_has_no_angles(points):
    found = angles(points)
    assert abs(found.yaw) < 2
    assert abs(found.roll) < 1
    assert abs(found.pitch) < 6


@pytest.mark.parametrize("degrees", [-25, -10, 10, 25])
def test_yaw_and_pitch_are_read_from_the_points(points, degrees):
    straight = angles(points)
    assert angles(spun(points, 1, degrees)).yaw - straight.yaw == pytest.approx(degrees, abs=2)
    assert angles(spun(points, 0, degrees)).pitch - straight.pitch == pytest.approx(degrees, abs=2)


@pytest.mark.parametrize("degrees", [-80, -20, 35])
def test_roll_is_read_and_does_not_disturb_yaw(points, degrees):
    tilted = angles(turned(spun(points, 1, 12), np.radians(degrees)))
    assert tilted.roll == pytest.approx(degrees + angles(points).roll, abs=1.5)
    assert tilted.yaw == pytest.approx(angles(spun(points, 1, 12)).yaw, abs=1)


def test_shape_measures_the_face_in_pixels(points):
    seen = shape(points, (512, 512))
    assert seen.inside
    assert seen.height == pytest.approx(203, rel=0.15)
    assert seen.mouth_gap < 0.02
    assert min(seen.eyes) > 0.2
    assert not shape(points - (200, 0, 0), (512, 512)).inside


def test_a_good_photo_has_no_problems_and_no_remarks():
    assert problems(FINE_SHAPE, FINE_LOOK) == []
    assert remarks(FINE_SHAPE, FINE_LOOK) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"height": 80.0}, "face_too_small"),
        ({"inside": False}, "cut_off"),
        ({"angles": Angles(-24, 0, 0)}, "turned"),
        ({"angles": Angles(0, 21, 0)}, "nodding"),
        ({"eyes": (0.1, 0.12)}, "eyes_closed"),
        ({"mouth_gap": 0.4}, "mouth_wide_open"),
    ],
)
def test_what_the_points_tell(change, code):
    (reason,) = problems(replace(FINE_SHAPE, **change), FINE_LOOK)
    assert reason.code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"bright": 40}, "too_dark"),
        ({"washed_out": 0.4}, "too_bright"),
        ({"sides": 0.2}, "one_sided"),
        ({"sharpness": 0.3}, "blurred"),
        ({"eye_shade": 0.2, "eye_contrast": 0.1}, "eyes_hidden"),
        ({"lips": 1.0, "mouth_line": 0.0}, "mouth_hidden"),
    ],
)
def test_what_the_pixels_tell(change, code):
    (reason,) = problems(FINE_SHAPE, replace(FINE_LOOK, **change))
    assert reason.code == code


def test_a_wink_is_not_closed_eyes_and_grey_lips_are_not_hidden():
    assert problems(replace(FINE_SHAPE, eyes=(0.05, 0.3)), FINE_LOOK) == []
    grey = replace(FINE_LOOK, colour=0.0, lips=0.0, mouth_line=0.0)
    assert problems(FINE_SHAPE, grey) == []


def test_numbers_and_ways_are_told_in_words():
    (small,) = problems(replace(FINE_SHAPE, height=80.4), FINE_LOOK)
    assert "80 pixels" in small.message
    (up,) = problems(replace(FINE_SHAPE, angles=Angles(0, -20, 0)), FINE_LOOK)
    assert "looks up by about 20 degrees" in up.message


@pytest.mark.parametrize(
    ("seen", "how", "code"),
    [
        (replace(FINE_SHAPE, height=150.0), FINE_LOOK, "soft"),
        (replace(FINE_SHAPE, mouth_gap=0.1), FINE_LOOK, "mouth_open"),
        (replace(FINE_SHAPE, angles=Angles(14, 0, 0)), FINE_LOOK, "slightly_turned"),
        (FINE_SHAPE, replace(FINE_LOOK, sides=0.5), "uneven_light"),
    ],
)
def test_what_could_be_better_does_not_refuse(seen, how, code):
    assert problems(seen, how) == []
    (reason,) = remarks(seen, how)
    assert reason.code == code


def test_the_look_of_a_face_follows_its_light(ava):
    rgb, points = ava.texture[..., :3], ava.landmarks
    fine = look(rgb, points)
    assert problems(shape(points, rgb.shape[1::-1]), fine) == []
    assert look((rgb * 0.2).astype(np.uint8), points).bright < 0.25 * fine.bright
    fade = np.linspace(1, 0, rgb.shape[1])[None, :, None] ** 2
    assert look((rgb * fade).astype(np.uint8), points).sides < 0.5 * fine.sides


def test_closing_brings_the_lips_together_and_leaves_the_eyes_alone(points):
    opened = points.copy()
    bow = np.sin(np.linspace(0, np.pi, len(UPPER_LIP)))[:, None]
    opened[UPPER_LIP] -= bow * (0, 6, 0)
    opened[LOWER_LIP] += bow * (0, 14, 0)
    picture = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)
    shut, after = closed(picture, opened)
    assert np.abs(after[UPPER_LIP] - after[LOWER_LIP]).max() < 0.01
    eye_level = int(points[[33, 263], 1].mean())
    assert (shut[: eye_level + 10] == picture[: eye_level + 10]).all()
    assert (shut != picture).any()
