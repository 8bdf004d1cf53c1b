"""What is drawn besides the face: backgrounds, and the mark of an AI."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from visavis.avatar.badge import badge
from visavis.avatar.coefficients import Pose, vector
from visavis.avatar.ground import GroundError, Look, ground, read_picture
from visavis.avatar.renderer import Renderer
from visavis.avatar.rig import Rig
from visavis.media import I420

STILL = Pose(vector({}))


def drawn(rig: Rig, size: tuple[int, int], look: Look, pose: Pose = STILL) -> np.ndarray:
    """RGB (height, width, 3)."""
    out = I420.empty(*size)
    Renderer(rig, size, look).draw(pose, out)
    return cv2.cvtColor(out.buffer, cv2.COLOR_YUV2RGB_I420)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Red on the left, blue on the right, 300x100."""
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, :150, 2], pixels[:, 150:, 0] = 200, 200
    path = tmp_path / "bg.png"
    cv2.imwrite(str(path), pixels)
    return path


@pytest.mark.parametrize(
    ("look", "colour"),
    [(Look("colour", "#c08040"), (192, 128, 64)), (Look("green"), (0, 177, 64))],
)
def test_a_colour_fills_all_but_the_figure(
    bare: Rig, look: Look, colour: tuple[int, int, int]
) -> None:
    image = drawn(bare, (640, 384), look).astype(int)
    assert np.abs(image[:60, :60] - colour).max() <= 3
    assert np.abs(image[:200, -100:] - colour).max() <= 3
    assert np.abs(image[200, 320] - colour).sum() > 60, "the face is in the middle"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_picture_covers_the_frame_about_its_middle(bare: Rig, picture: Path, suffix: str) -> None:
    other = picture.with_suffix(suffix)
    cv2.imwrite(str(other), cv2.imread(str(picture)))
    image = drawn(bare, (384, 384), Look("image", image=other)).astype(int)
    assert np.abs(image[10, 10] - (200, 0, 0)).max() < 16
    assert np.abs(image[10, -10] - (0, 0, 200)).max() < 16


def test_blur_softens_what_is_behind_and_not_the_face(bare: Rig, picture: Path) -> None:
    sharp, soft = (
        drawn(bare, (384, 384), Look("image", image=picture, blur=blur)) for blur in (0.0, 0.7)
    )
    step = [np.abs(np.diff(image[4, :, 0].astype(int))).max() for image in (sharp, soft)]
    assert step[0] > 100 > 20 > step[1]
    np.testing.assert_array_equal(sharp[180:220, 180:200], soft[180:220, 180:200])


def test_no_hole_in_a_video_transparent_is_as_its_own(bare: Rig) -> None:
    own, clear = (drawn(bare, (256, 256), Look(kind)) for kind in ("own", "transparent"))
    np.testing.assert_array_equal(own, clear)


def test_a_picture_of_grey_or_with_holes_is_a_picture_too(tmp_path: Path) -> None:
    clear = np.zeros((20, 30, 4), np.uint8)
    for name, pixels, expected in (
        ("grey.png", np.full((20, 30), 77, np.uint8), 77),
        ("deep.png", np.full((20, 30), 77 * 256, np.uint16), 77),
        ("clear.png", clear, 255),
    ):
        cv2.imwrite(str(tmp_path / name), pixels)
        np.testing.assert_array_equal(read_picture(tmp_path / name), np.full((20, 30, 3), expected))


def _png_of(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    body = struct.pack(">I", len(head)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"GIF89a", b"<svg/>" * 9, b"\xff\xd8\xff", b"\xff\xd8" + b"\xff" * 200),
        *(b"\xff\xd8\xff\xe0\x00\x02" * 3, _png_of(90, 90), _png_of(60000, 60000)),
    ],
)
def test_what_is_no_picture_or_too_large_a_one_is_said(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(GroundError, match="background picture"):
        read_picture(path)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("size", [(384, 384), (1280, 720), (384, 1080), (1920, 1080)])
@pytest.mark.parametrize("colour", ["#ffffff", "#000000", "#ff2020"])
def test_the_badge_is_small_and_legible_on_any_ground(size: tuple[int, int], colour: str) -> None:
    mark = badge(size)
    x0, y0, x1, y1 = mark.box
    assert (x1 - x0) * (y1 - y0) < 0.012 * size[0] * size[1]
    out = I420.empty(*size)
    rgb = np.full((size[1], size[0], 3), [int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    out.buffer[:] = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    before = out.buffer.copy()
    mark.stamp(out.buffer)
    pill = out.y[y0:y1, x0:x1].astype(int)
    assert pill.max() - np.median(pill) > 80, "letters stand out from their pill"
    out.y[y0:y1, x0:x1] = before[: size[1]][y0:y1, x0:x1]
    np.testing.assert_array_equal(out.y, before[: size[1]])


def test_the_badge_lies_over_the_figure(ava: Rig) -> None:
    narrow = (128, 512)  # hair reaches the corner
    with_badge, without = (drawn(ava, narrow, Look("green", badge=b)) for b in (True, False))
    x0, y0, x1, y1 = badge(narrow).box
    changed = np.abs(with_badge.astype(int) - without).max(2)
    assert (changed[y0:y1, x0:x1] > 20).mean() > 0.5
    changed[y0 - 2 : y1 + 2, x0 - 2 : x1 + 2] = 0
    assert changed.max() == 0


@pytest.mark.parametrize("size", [(640, 384), (384, 640), (1280, 720)])
def test_the_portrait_is_in_the_middle_and_as_high_as_the_frame(
    ava: Rig, size: tuple[int, int]
) -> None:
    width, height = size
    key = (0, 177, 64)
    square = drawn(ava, (height, height), Look("green")).astype(int)
    frame = drawn(ava, size, Look("green")).astype(int)
    middle = min(width, height) // 2 // 4 * 4
    crop = frame[:, width // 2 - middle : width // 2 + middle]
    same = square[:, height // 2 - middle : height // 2 + middle]
    assert cv2.PSNR(crop.astype(np.uint8), same.astype(np.uint8)) > 40
    figure = np.abs(frame - key).max(2) > 60
    columns = np.flatnonzero(figure.any(0))
    assert abs((columns[0] + columns[-1]) / 2 - width / 2) < 0.05 * height


def test_a_narrow_frame_shows_no_smear_when_the_head_moves(ava: Rig) -> None:
    """What comes in from beyond the edge of a narrow frame is the figure, not its last column."""
    moved = Pose(vector({}), roll=0.14, yaw=0.15)
    narrow = drawn(ava, (256, 512), Look("green"), moved)
    wide = drawn(ava, (512, 512), Look("green"), moved)[:, 128:384]
    assert cv2.PSNR(narrow, wide) > 40


def test_grounds_are_made_once_and_cannot_be_written(bare: Rig) -> None:
    one, other = (ground(bare, (256, 256), Look("colour", "#123456")) for _ in range(2))
    assert one is other
    with pytest.raises(ValueError, match="read-only"):
        one[0] = 0


def test_drawing_allocates_nothing_that_stays_and_next_to_nothing_at_all(ava: Rig) -> None:
    renderer, out = Renderer(ava, (384, 384), Look(badge=True)), I420.empty(384, 384)
    poses = [
        Pose(vector({"jawOpen": a, "eyeBlink": a, "mouthSmile": 1 - a}), a, a / 9, gaze=(a, -a))
        for a in np.linspace(0, 1, 10)
    ]
    for pose in poses:
        renderer.draw(pose, out)
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    for i in range(200):
        renderer.draw(poses[i % len(poses)], out)
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert now - start < 4096, "nothing stays"
    assert peak - start < 16384, "a picture is 221 KiB: no part of one is made anew"
