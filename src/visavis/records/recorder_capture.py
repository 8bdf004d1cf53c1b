"""The capture: what a recording writes while the call runs.

Appending to it costs next to nothing, and whatever a crash leaves of it can be read: a line that
names the format, then pieces, each with its kind, its capture time and its bytes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO

MAGIC = b"visavis capture 1\n"
MAX_PIECE = 1 << 22
_HEAD = struct.Struct("<BqI")


class Kind(IntEnum):
    """What a piece holds: sound as mono s16 (the agent's at 48 kHz, the user's at 16 kHz), or VP8.

    A ``PICTURE`` needs all pictures since the last ``KEY_PICTURE`` to be seen.
    """

    AGENT_SOUND = 1
    USER_SOUND = 2
    PICTURE = 3
    KEY_PICTURE = 4

    @property
    def is_picture(self) -> bool:
        return self >= Kind.PICTURE


@dataclass(frozen=True, slots=True)
class Piece:
    """``at_us`` is on the worker's monotonic clock, like every capture time."""

    kind: Kind
    at_us: int
    data: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        return _HEAD.pack(self.kind, self.at_us, len(self.data)) + self.data


class NotACapture(Exception):
    """The file is something else."""


def read_pieces(path: Path) -> Iterator[Piece]:
    """The pieces in the order they were written, up to the first that is not whole.

    Raises:
        NotACapture: the file does not begin like a capture.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise NotACapture(path.name)
        while piece := _read_piece(file):
            yield piece


def _read_piece(file: BinaryIO) -> Piece | None:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, at_us, length = _HEAD.unpack(head)
    if kind not in Kind.__members__.values() or length > MAX_PIECE:
        return None
    data = file.read(length)
    return Piece(Kind(kind), at_us, data) if len(data) == length else None
