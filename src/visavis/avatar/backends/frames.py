"""Frames that came from elsewhere, kept until the playhead is there, and fitted to the picture."""

import threading
from bisect import bisect_right

import cv2
import numpy as np

from visavis.avatar.backends.base import Frame
from visavis.media import I420

TOLERANCE_S = 0.1
"""How far behind the playhead a frame may be and still be shown."""
_EARLY_S = 0.005
"""A frame this little ahead of the playhead counts as being there: clocks are rounded."""
MAX_FRAMES = 256
_BLACK = 16, 128, 128


class FrameStore:
    """Bounded by the backend's credit, and by ``MAX_FRAMES`` whatever it does. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[int, list[Frame]] = {}
        self._idle: Frame | None = None
        self._cleared = -1
        self.dropped = 0
        """Frames that came for nothing: too late, or too many."""

    def put(self, frame: Frame) -> None:
        """Keep a frame; frames of a turn come in the order of their positions."""
        with self._lock:
            frames = self._turns.setdefault(frame.turn_id, [])
            if frame.position_s is None:
                self._turns.pop(frame.turn_id) if not frames else None
                self._idle = frame
                gone = [frame]  # its picture stays until the next one comes
            elif frame.turn_id <= self._cleared or len(frames) >= MAX_FRAMES:
                self.dropped += 1
                gone = [frame]
            else:
                frames.append(frame)
                gone = []
        _release(gone)

    def take(self, turn_id: int, position_s: float) -> Frame | None:
        """The frame at ``position_s``: the last one at or before it, if it is no older than
        ``TOLERANCE_S``. Those before it are let go."""
        with self._lock:
            frames = self._turns.get(turn_id, [])
            reached = bisect_right(frames, position_s + _EARLY_S, key=_position)
            if not reached:
                return None
            gone = frames[: reached - 1]
            del frames[: reached - 1]
            frame = frames[0]
        _release(gone)
        return frame if position_s - _position(frame) <= TOLERANCE_S else None

    def has_begun(self, turn_id: int) -> bool:
        with self._lock:
            return bool(self._turns.get(turn_id))

    def idle(self) -> Frame | None:
        """The newest idle frame."""
        with self._lock:
            return self._idle

    def clear(self, turn_id: int) -> None:
        """Forget frames of ``turn_id`` and older, now and when they come."""
        with self._lock:
            self._cleared = max(self._cleared, turn_id)
            old = [number for number in self._turns if number <= turn_id]
            gone = [frame for number in old for frame in self._turns.pop(number)]
        _release(gone)


def place(picture: I420, out: I420) -> None:
    """Fit ``picture`` into ``out``: whole, centred, black beside it."""
    if (picture.width, picture.height) == (out.width, out.height):
        np.copyto(out.buffer, picture.buffer)
        return
    scale = min(out.width / picture.width, out.height / picture.height)
    width = min(out.width, round(picture.width * scale / 4) * 4)
    height = min(out.height, round(picture.height * scale / 4) * 4)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    planes = (picture.y, out.y), (picture.u, out.u), (picture.v, out.v)
    for half, ((source, target), black) in enumerate(zip(planes, _BLACK, strict=True)):
        w, h = (width, height) if not half else (width // 2, height // 2)
        x, y = (target.shape[1] - w) // 2, (target.shape[0] - h) // 2
        if (w, h) != (target.shape[1], target.shape[0]):
            target[...] = black
        target[y : y + h, x : x + w] = cv2.resize(source, (w, h), interpolation=way)


def _position(frame: Frame) -> float:
    assert frame.position_s is not None
    return frame.position_s


def _release(frames: list[Frame]) -> None:
    for frame in frames:
        if frame.release is not None:
            frame.release()
