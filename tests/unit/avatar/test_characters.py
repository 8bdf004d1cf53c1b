"""The default characters' files: whole, light, points where the renderer needs them, alive."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from visavis.avatar import rig
from visavis.avatar.coefficients import INDEX, Pose, vector
from visavis.avatar.puppet import Puppet
from visavis.avatar.topology import EYES, LOWER_LIP, UPPER_LIP
from visavis.avatar.visemes import CLOSED, VISEMES, WEIGHTS
from visavis.media import I420

FILES = sorted(Path(rig.__file__).with_name("characters").glob("*.avatar"))
UPPER_LIDS = np.concatenate([upper[1:-1] for upper, _, _ in EYES])
LOWER_LIDS = np.concatenate([lower[1:-1] for _, lower, _ in EYES])
SIZE = 256


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(scope="module")
def face(path: Path) -> rig.Rig:
    return rig.load(path)


@pytest.fixture(scope="module")
def puppet(face: rig.Rig) -> Puppet:
    return Puppet(face, size=(SIZE, SIZE))


def gap(
    points: NDArray[np.float32], above: NDArray[np.intp], below: NDArray[np.intp]
) -> np.ndarray:
    return points[below, 1] - points[above, 1]


def key(face: rig.Rig, name: str) -> rig.Key:
    return next(k for k in face.keys if k.name == name)


def drawn(puppet: Puppet, pose: Pose) -> NDArray[np.uint8]:
    """The picture's luma."""
    out = I420.empty(SIZE, SIZE)
    puppet.draw(pose, out)
    return out.y.copy()


def test_ava_is_there() -> None:
    assert "ava" in {path.stem for path in FILES}


def test_is_whole_and_light(face: rig.Rig, path: Path) -> None:
    manifest = face.manifest
    assert manifest.id == path.stem
    assert manifest.name
    assert manifest.description
    assert path.stat().st_size <= 1.5e6
    assert {k.name for k in face.keys} >= {"jawOpen", "blink", "eyeWide", "smile", "pucker", "wide"}
    assert manifest.consent.subject == "synthetic"
    assert manifest.licence.spdx == "CC0-1.0"
    assert face.deltas is not None
    portrait = cv2.imdecode(np.frombuffer(face.portrait, np.uint8), cv2.IMREAD_COLOR)
    assert portrait is not None
    assert portrait.shape >= (512, 512, 3)


def test_lips_meet_at_rest_and_part_in_the_open_key(face: rig.Rig) -> None:
    size = face.manifest.size
    assert np.abs(gap(face.landmarks, UPPER_LIP, LOWER_LIP)).max() < 0.002 * size
    opened = gap(key(face, "jawOpen").landmarks, UPPER_LIP[3:8], LOWER_LIP[3:8])
    assert opened.min() > 0.025 * size
    assert opened.max() > 0.04 * size


def test_lids_are_open_at_rest_and_meet_in_the_blink(face: rig.Rig) -> None:
    size = face.manifest.size
    assert gap(face.landmarks, UPPER_LIDS, LOWER_LIDS).min() > 0
    for upper, lower, _ in EYES:
        assert gap(face.landmarks, upper, lower).max() > 0.02 * size
    shut = gap(key(face, "blink").landmarks, UPPER_LIDS, LOWER_LIDS)
    assert np.abs(shut).max() < 0.002 * size


@pytest.mark.parametrize("name", ["blink", "eyeWide", "smile", "pucker", "wide"])
def test_deltas_lead_to_the_keys(face: rig.Rig, name: str) -> None:
    assert face.deltas is not None
    pose = key(face, name)
    moved = face.landmarks + np.einsum("c,cpx->px", vector(pose.pose.coefficients), face.deltas)
    away = np.linalg.norm((moved - pose.landmarks)[:468, :2], axis=1) / face.manifest.size
    assert np.median(away) < 0.002
    assert np.percentile(away, 95) < 0.012


def test_left_is_on_the_right_of_the_picture_and_the_nose_is_nearest(face: rig.Rig) -> None:
    points = face.landmarks
    assert points[33, 0] < points[133, 0] < points[362, 0] < points[263, 0]
    assert points[:468, 2].argmin() in {1, 4, 5, 19, 44, 45, 274, 275, 94, 195, 2}
    assert face.deltas is not None
    smile = face.deltas[INDEX["mouthSmileLeft"]]
    assert np.linalg.norm(smile[308]) > 4 * np.linalg.norm(smile[78])


def test_the_ground_is_clear_and_the_face_is_not(face: rig.Rig) -> None:
    size = face.manifest.size
    assert face.texture[: size // 50, :, 3].max() == 0
    x, y = face.landmarks[[1, 50, 280, 152], :2].round().astype(int).T
    assert face.texture[y, x, 3].min() == 255


@pytest.mark.parametrize("viseme", [name for name in VISEMES if name != "sil"])
def test_every_viseme_moves_the_mouth_and_nothing_else(
    face: rig.Rig, puppet: Puppet, viseme: str
) -> None:
    n = VISEMES.index(viseme)
    change = np.abs(
        drawn(puppet, Pose(WEIGHTS[n], close=float(CLOSED[n]))).astype(int)
        - drawn(puppet, Pose(vector({})))
    )
    scale = SIZE / face.manifest.size
    left, right = (face.landmarks[[61, 291], 0] * scale).astype(int)
    top, bottom = (face.landmarks[[2, 152], 1] * scale).astype(int)
    assert change[top:bottom, left:right].mean() > 2
    assert change[: int(face.landmarks[168, 1] * scale)].mean() < 0.5


def test_a_blink_hides_the_eyes(face: rig.Rig, puppet: Puppet) -> None:
    scale = SIZE / face.manifest.size
    rest, shut = (drawn(puppet, Pose(vector({"eyeBlink": w}))).astype(int) for w in (0, 1))
    for _, _, iris in EYES:
        x, y = (face.landmarks[iris, :2] * scale).round().astype(int)
        eye = np.s_[y - 3 : y + 4, x - 6 : x + 7]
        assert np.ptp(rest[eye]) > 80
        assert np.ptp(shut[eye]) < 0.6 * np.ptp(rest[eye])
