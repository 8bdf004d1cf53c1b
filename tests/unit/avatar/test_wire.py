"""A pose survives its way to the browser."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.avatar import wire
from visavis.avatar.coefficients import ARKIT, Pose

weights = st.lists(st.floats(0, 1, width=32), min_size=len(ARKIT), max_size=len(ARKIT))
turn = st.floats(-1.6, 1.6)
share = st.floats(0, 1)


@given(weights, share, turn, turn, turn, turn, turn, st.floats(-1, 1), st.integers(0, 2**57))
def test_a_pose_comes_back(coefficients, close, yaw, pitch, roll, x, y, breath, at_us):
    pose = Pose(np.array(coefficients, np.float32), close, yaw, pitch, roll, (x, y), breath)
    frame = wire.encode(pose, at_us)
    assert len(frame) == wire.SIZE == 71
    back, at_ms = wire.decode(frame)
    assert at_ms == at_us // 1000
    assert np.abs(back.coefficients - pose.coefficients).max() <= 0.5 / 255 + 1e-6
    assert back.close == pytest.approx(close, abs=0.5 / 255 + 1e-9)
    angles = (back.yaw, back.pitch, back.roll, *back.gaze)
    assert angles == pytest.approx((yaw, pitch, roll, x, y), abs=0.5 / 20_000 + 1e-9)
    assert back.breath == pytest.approx(breath, abs=0.5 / 127 + 1e-9)
    assert wire.encode(back, at_us) == frame  # and again, without drift


def test_what_is_out_of_range_is_held_at_its_end():
    pose = Pose(np.full(len(ARKIT), 3, np.float32), -1, 9, -9, 0, (5, -5), -4)
    back, _ = wire.decode(wire.encode(pose, 0))
    assert back.coefficients.min() == 1
    assert (back.close, back.breath) == (0, -1)
    assert (back.yaw, back.pitch) == pytest.approx((1.638, -1.638), abs=1e-3)


@pytest.mark.parametrize("frame", [b"", b"\x01" * 70, b"\x02" + bytes(70), bytes(72)])
def test_other_frames_are_refused(frame):
    with pytest.raises(ValueError, match="not a pose"):
        wire.decode(frame)


def test_the_browser_is_tested_with_this_frame():
    """web/test/wire.test.ts decodes the same bytes."""
    pose = Pose(
        np.arange(len(ARKIT), dtype=np.float32) / 255, 0.2, 0.1, -0.2, 0.05, (0.5, -1.5), -1
    )
    assert wire.encode(pose, 4_294_967_297_000).hex() == (
        "01000100000001" + bytes(range(52)).hex() + "3307d0f06003e827108ad081"
    )
