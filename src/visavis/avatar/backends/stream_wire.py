"""The avatar stream's wire, shared by both ends: what a binary message holds (docs/faces.md)."""

import struct
from dataclasses import dataclass, field

PATH = "/v1/avatar-stream"
PROTOCOL = 1
RATES = (16_000, 24_000)
"""Hz of the sound that comes in: mono s16, little-endian."""
VIDEO = 1
_HEADER = struct.Struct("<BBHIqq")
"""kind, flags, nothing, utterance, pts, position: 24 bytes before the VP8 frame."""
_KEYFRAME = 1
_NOWHERE = -1


class StreamWireError(Exception):
    """A binary message is not what it should be."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One encoded frame. ``pts_us`` runs from the connection's beginning, 40 ms a frame;
    ``position_us`` is the place in the utterance's sound that is heard with it, None in silence.
    """

    utterance: int
    pts_us: int
    position_us: int | None
    keyframe: bool
    data: bytes = field(repr=False)

    def pack(self) -> bytes:
        where = _NOWHERE if self.position_us is None else self.position_us
        flags = _KEYFRAME if self.keyframe else 0
        return _HEADER.pack(VIDEO, flags, 0, self.utterance, self.pts_us, where) + self.data

    @classmethod
    def unpack(cls, message: bytes) -> "Picture":
        """Raises ``StreamWireError``."""
        if len(message) <= _HEADER.size or message[0] != VIDEO:
            raise StreamWireError("a binary message is no picture")
        _, flags, _, utterance, pts_us, where = _HEADER.unpack_from(message)
        position_us = None if where == _NOWHERE else where
        return cls(utterance, pts_us, position_us, bool(flags & 1), message[_HEADER.size :])
