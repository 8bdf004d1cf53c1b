"""A pose on the wire: what a browser needs to draw one instant of a face. docs/client-rendering.md.

One frame is one complete pose, 71 bytes, big-endian: a lost one costs nothing but itself. At 25 a
second that is 14 kbit/s, where video takes some 600.
"""

import struct

import numpy as np

from visavis.avatar.coefficients import ARKIT, Pose

VERSION = 1
CHANNEL = "coefficients"
"""Label of the data channel that a client opens to be sent poses; unordered, never repeated."""

_FRAME = struct.Struct(f">BHI{len(ARKIT)}sBhhhhhb")
SIZE = _FRAME.size
_ANGLE = 20_000
"""Steps of one radian, and of one full gaze: 16 bits reach 1.6 either way."""
_LIMIT = 32_767


def encode(pose: Pose, capture_us: int) -> bytes:
    """``capture_us`` is the media time of the sound that is heard with this pose."""
    high, low = divmod(capture_us // 1000 & 0xFFFF_FFFF_FFFF, 1 << 32)
    return _FRAME.pack(
        VERSION,
        high,
        low,
        np.round(np.clip(pose.coefficients, 0, 1) * 255).astype(np.uint8).tobytes(),
        round(255 * min(1.0, max(0.0, pose.close))),
        *(_steps(value) for value in (pose.yaw, pose.pitch, pose.roll, *pose.gaze)),
        round(127 * min(1.0, max(-1.0, pose.breath))),
    )


def decode(frame: bytes) -> tuple[Pose, int]:
    """The pose and its media time in milliseconds. Raises ``ValueError``."""
    if len(frame) != SIZE or frame[0] != VERSION:
        raise ValueError(f"not a pose of version {VERSION}")
    _, high, low, weights, close, yaw, pitch, roll, x, y, breath = _FRAME.unpack(frame)
    pose = Pose(
        coefficients=np.frombuffer(weights, np.uint8).astype(np.float32) / np.float32(255),
        close=close / 255,
        yaw=yaw / _ANGLE,
        pitch=pitch / _ANGLE,
        roll=roll / _ANGLE,
        gaze=(x / _ANGLE, y / _ANGLE),
        breath=breath / 127,
    )
    return pose, high << 32 | low


def _steps(value: float) -> int:
    return max(-_LIMIT, min(_LIMIT, round(value * _ANGLE)))
