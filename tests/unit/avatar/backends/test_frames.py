import numpy as np
import pytest

from visavis.avatar.backends.base import Frame
from visavis.avatar.backends.frames import MAX_FRAMES, FrameStore, place
from visavis.media import I420


def grey(level: int, width: int = 16, height: int = 16) -> I420:
    picture = I420.empty(width, height)
    picture.buffer[...] = level
    return picture


class Kept:
    """A store, and what it let go of."""

    def __init__(self) -> None:
        self.store = FrameStore()
        self.released: list[float | None] = []

    def put(self, turn: int, position_s: float | None) -> Frame:
        frame = Frame(turn, position_s, grey(1), lambda: self.released.append(position_s))
        self.store.put(frame)
        return frame


def test_the_frame_at_or_before_the_playhead_is_taken():
    kept = Kept()
    frames = [kept.put(2, n * 0.04) for n in range(5)]
    assert kept.store.take(2, 0.02) is frames[0]
    assert kept.store.take(2, 0.0799999) is frames[2], "clocks are rounded"
    assert kept.store.take(2, 0.1) is frames[2]
    assert kept.released == [0.0, 0.04], "what the playhead has passed is let go"
    assert kept.store.take(2, 0.25) is frames[4]
    assert kept.store.take(2, 0.27) is None, "a frame 110 ms old is too old"
    assert kept.store.take(1, 0.0) is None


def test_a_cleared_turn_is_forgotten_now_and_later():
    kept = Kept()
    for n in range(3):
        kept.put(1, n * 0.04)
    newer = kept.put(2, 0.0)
    kept.store.clear(1)
    assert kept.released == [0.0, 0.04, 0.08]
    assert not kept.store.has_begun(1)
    kept.put(1, 0.12)
    assert kept.store.take(1, 0.12) is None
    assert kept.released[-1] == 0.12
    assert kept.store.take(2, 0.0) is newer


def test_idle_frames_do_not_pile_up():
    kept = Kept()
    last = [kept.put(-1, None) for _ in range(5)][-1]
    assert kept.store.idle() is last
    assert len(kept.released) == 5
    assert not kept.store.has_begun(-1)


def test_the_store_is_bounded():
    kept = Kept()
    for n in range(MAX_FRAMES + 10):
        kept.put(1, n * 0.04)
    assert kept.store.dropped == 10
    assert len(kept.released) == 10


@pytest.mark.parametrize(
    ("size", "inside", "beside"),
    [
        ((64, 64), (32, 32), None),
        ((32, 32), (32, 32), None),
        ((128, 64), (32, 32), (32, 4)),
        ((60, 120), (32, 32), (4, 32)),
    ],
)
def test_a_picture_of_any_size_is_fitted(size, inside, beside):
    out = I420.empty(64, 64)
    place(grey(200, *size), out)
    assert out.y[inside[1], inside[0]] == 200
    assert out.u[16, 16] == out.v[16, 16] == 200
    if beside is not None:
        x, y = beside
        assert (out.y[y, x], out.u[y // 2, x // 2], out.v[y // 2, x // 2]) == (16, 128, 128)
    else:
        assert np.all(out.y == 200)
