import cv2
import numpy as np
import pytest

from tests.integration.photo.conftest import CONSENT, encoded, rotated
from visavis.avatar import rig
from visavis.avatar.coefficients import Pose, vector
from visavis.avatar.photo import PhotoRefused, make_rig
from visavis.avatar.photo.checks import angles
from visavis.avatar.renderer import Renderer
from visavis.avatar.topology import LOWER_LIP, UPPER_LIP
from visavis.media import I420


def made(picture: bytes, **more):
    return make_rig(picture, name="Grace", rig_id="grace", consent=CONSENT, **more)


def refused(rgb: np.ndarray) -> set[str]:
    with pytest.raises(PhotoRefused) as caught:
        made(encoded(rgb))
    assert all(reason.message and reason.advice for reason in caught.value.reasons)
    return {reason.code for reason in caught.value.reasons}


@pytest.fixture(scope="module")
def hopper(photo):
    return made(encoded(photo("hopper")))


def test_a_rig_survives_its_file(hopper, tmp_path):
    rig.save(hopper, tmp_path / "grace.avatar")
    loaded = rig.load(tmp_path / "grace.avatar")
    assert loaded.manifest == hopper.manifest
    assert loaded.manifest.consent == CONSENT
    assert loaded.manifest.size == 512
    assert loaded.background is not None
    assert (tmp_path / "grace.avatar").stat().st_size < 1_500_000


def test_the_person_is_cut_out_along_the_head(hopper, mesh):
    alpha, points = hopper.texture[..., 3], hopper.landmarks
    x, y = points[[4, 50, 280, 9, 152], :2].round().astype(int).T
    assert (alpha[y, x] == 255).all()
    assert alpha[:40, :40].max() == alpha[:40, -40:].max() == 0
    assert 0.3 < (alpha > 128).mean() < 0.75


def test_head_and_shoulders_fill_the_square(hopper):
    eyes = hopper.landmarks[[33, 263], :2] / hopper.manifest.size
    assert 0.2 < eyes[1, 0] - eyes[0, 0] < 0.32
    assert 0.28 < eyes[:, 1].mean() < 0.48


def test_the_mouth_opens_and_the_lids_close_when_drawn(hopper):
    renderer = Renderer(hopper, (512, 512))

    def drawn(weights: dict[str, float]) -> np.ndarray:
        frame = I420.empty(512, 512)
        renderer.draw(Pose(vector(weights)), frame)
        return frame.y.astype(int).copy()

    rest, aah, blink = drawn({}), drawn({"jawOpen": 0.5}), drawn({"eyeBlink": 1})
    mouth = hopper.landmarks[[13, 14], :2].mean(0).astype(int)
    below = slice(mouth[1], mouth[1] + 12), slice(mouth[0] - 8, mouth[0] + 8)
    assert aah[below].mean() < 0.75 * rest[below].mean()
    eye = hopper.landmarks[468, :2].astype(int)
    pupil = slice(eye[1] - 2, eye[1] + 3), slice(eye[0] - 2, eye[0] + 3)
    assert blink[pupil].mean() > 1.2 * rest[pupil].mean()


def test_a_tilted_head_is_set_upright(photo):
    tilted = made(encoded(rotated(photo("hopper"), 20)))
    assert abs(angles(tilted.landmarks).roll) < 2


def test_a_picture_on_its_side_is_turned(photo):
    sideways = made(encoded(np.rot90(photo("hopper")), ".png"))
    assert abs(angles(sideways.landmarks).roll) < 2


def test_a_smile_with_teeth_is_closed_and_its_teeth_are_kept(photo):
    remarks = []
    collins = made(encoded(photo("collins"), ".png"), remark=remarks.append)
    assert {"soft", "mouth_open"} <= {remark.code for remark in remarks}
    gap = np.abs(collins.landmarks[LOWER_LIP] - collins.landmarks[UPPER_LIP])[:, :2]
    assert gap.max() < 0.01
    mouth = next(key for key in collins.keys if key.name == "jawOpen")
    x, y = mouth.landmarks[[13, 14], :2].mean(0)
    upper = int(mouth.landmarks[13, 1])
    teeth = mouth.texture[upper : int(y), int(x) - 8 : int(x) + 8, :3].mean(2)
    assert teeth.max() > 150


def test_every_step_is_told(photo):
    steps = []
    made(encoded(photo("hopper")), progress=steps.append)
    assert steps[0] == "Looking for the face"
    assert len(steps) == 4


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda rgb: (rgb * 0.15).astype(np.uint8), "too_dark"),
        (lambda rgb: np.clip(rgb * 2.6 + 40, 0, 255).astype(np.uint8), "too_bright"),
        (lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 5), "blurred"),
        (lambda rgb: cv2.resize(rgb, None, fx=0.4, fy=0.4), "face_too_small"),
        (lambda rgb: rgb[:, :250], "cut_off"),
        (lambda rgb: np.hstack([rgb, rgb[:, ::-1]]), "several_faces"),
        (lambda rgb: rgb[400:], "no_face"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said(photo, spoil, code):
    assert code in refused(np.ascontiguousarray(spoil(photo("hopper"))))


def test_dark_glasses_are_refused_and_clear_ones_are_not(photo, mesh):
    rgb = photo("hopper").copy()  # she wears clear ones: the rig above was made
    points = mesh.detect(rgb)[0].landmarks[:, :2]
    width = np.linalg.norm(points[33] - points[263])
    for corners in ((33, 133), (263, 362)):
        centre = tuple(int(v) for v in points[list(corners)].mean(0))
        cv2.ellipse(rgb, centre, (int(0.26 * width), int(0.2 * width)), 0, 0, 360, (15, 16, 18), -1)
    assert refused(rgb) == {"eyes_hidden"}


def test_a_covered_mouth_is_refused(photo, mesh):
    rgb = photo("hopper").copy()
    points = mesh.detect(rgb)[0].landmarks[:, :2]
    outline = cv2.convexHull(points[[227, 195, 447, 361, 365, 400, 152, 176, 136, 132]])
    cv2.fillPoly(rgb, [outline.astype(np.int32)], (160, 190, 215))
    assert refused(rgb) == {"mouth_hidden"}


def test_a_turned_head_is_refused(photo):
    assert refused(photo("mona-lisa")) == {"turned"}
