"""From a capture to an MP4 that plays anywhere: H.264 and AAC, index first.

Run as a process of its own once the call is over:
``python -m visavis.records.recorder_mp4 CAPTURE MP4`` prints the duration as JSON.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.video.frame import PictureType

from visavis.media import FPS, OUTPUT_RATE, TICK_MS, Pcm
from visavis.records.recorder_capture import Kind, NotACapture, Piece, read_pieces
from visavis.records.recorder_mix import Mix

NOTHING = 3
"""Exit status: the capture holds nothing that can be seen or heard."""
_MS = Fraction(1, 1000)
_KEY_EVERY_S = 2
_VIDEO: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"preset": "veryfast", "crf": "22", "bf": "0", "threads": "1"}),
    ("libopenh264", {}),
    ("mpeg4", {"qscale": "4"}),
)
"""Not every FFmpeg carries x264; the first that is there is used."""


class NothingRecorded(Exception):
    """The capture holds nothing that can be seen or heard."""


def write_mp4(capture: Path, target: Path) -> int:
    """Convert ``capture``, whole or cut off by a crash; the recording's length in ms.

    The first picture is time 0: from it on, each picture is shown at the time it was captured
    for the room, and both sides' sound is mixed on the same clock. Blocks for long.

    Raises:
        NothingRecorded, NotACapture, OSError
    """
    zero_us, has_pictures = _survey(capture)
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as clip:
        file: Any = clip
        film = _Film(file, zero_us) if has_pictures else None
        voices: Any = file.add_stream("aac", rate=OUTPUT_RATE, layout="mono", bit_rate=96_000)
        mix = Mix(zero_us)
        end_us = zero_us
        for piece in read_pieces(capture):
            end_us = max(end_us, piece.at_us + _length_us(piece))
            if not piece.kind.is_picture:
                mix.add(piece)
            elif film:
                film.show(piece)
            _mux_sound(file, voices, mix.ready(piece.at_us))
        if film:
            film.finish()
        _mux_sound(file, voices, mix.rest(end_us))
        file.mux(voices.encode(None))
    return (end_us - zero_us) // 1000


def _survey(capture: Path) -> tuple[int, bool]:
    """When the recording begins, and whether there is anything to see."""
    first_us: int | None = None
    for piece in read_pieces(capture):
        if piece.kind is Kind.KEY_PICTURE:
            return piece.at_us, True
        if not piece.kind.is_picture and first_us is None:
            first_us = piece.at_us
    if first_us is None:
        raise NothingRecorded(capture.name)
    return first_us, False


def _length_us(piece: Piece) -> int:
    return 1_000_000 // FPS if piece.kind.is_picture else TICK_MS * 1000


class _Film:
    """The pictures: decoded as the room's own packets, encoded at their true times."""

    def __init__(self, file: Any, zero_us: int) -> None:
        self._file = file
        self._zero_us = zero_us
        self._decoder: Any = av.CodecContext.create("vp8", "r")
        self._stream: Any = None
        self._whole = False
        self._last_ms = -1
        name, options = next(choice for choice in _VIDEO if choice[0] in av.codecs_available)
        self._stream = file.add_stream(name, rate=FPS, options=options)
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = _KEY_EVERY_S * FPS
        self._stream.codec_context.time_base = _MS

    def show(self, piece: Piece) -> None:
        """A picture that refers to one that was lost is left out: the last one stays."""
        self._whole = self._whole or piece.kind is Kind.KEY_PICTURE
        if not self._whole:
            return
        try:
            pictures = self._decoder.decode(av.Packet(piece.data))
        except FFmpegError:
            self._whole = False
            return
        for picture in pictures:
            self._encode(picture, piece.at_us)

    def finish(self) -> None:
        self._file.mux(self._stream.encode(None))

    def _encode(self, picture: av.VideoFrame, at_us: int) -> None:
        if self._last_ms < 0:
            self._stream.width, self._stream.height = picture.width, picture.height
        at_ms = max((at_us - self._zero_us) // 1000, self._last_ms + 1)
        self._last_ms = at_ms
        shown = picture.reformat(self._stream.width, self._stream.height, "yuv420p")
        shown.pts, shown.time_base = at_ms, _MS
        shown.pict_type = PictureType.NONE  # the encoder decides anew
        self._file.mux(self._stream.encode(shown))


def _mux_sound(file: Any, stream: Any, sound: Iterator[tuple[int, Pcm]]) -> None:
    for first, pcm in sound:
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = OUTPUT_RATE
        frame.pts = first
        frame.time_base = Fraction(1, OUTPUT_RATE)
        file.mux(stream.encode(frame))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    os.umask(0o077)
    try:
        duration_ms = write_mp4(arguments.capture, arguments.target)
    except (NothingRecorded, NotACapture):
        return NOTHING
    print(json.dumps({"duration_ms": duration_ms}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
