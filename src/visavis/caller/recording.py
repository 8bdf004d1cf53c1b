"""The clip: what the caller saw and heard, as one H.264/AAC mp4 file.

Pictures come at whatever moments they arrive and leave at a constant 25 a second: a missing
one is filled by its predecessor, as on a screen. Sound of both sides is mixed on the same
clock. Times are seconds on the caller's monotonic clock; nothing is shifted to look better, so
whatever A/V skew there was on the way here is in the clip.
"""

import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from visavis.media import FPS, OUTPUT_RATE, Pcm

_AAC_FRAME = 1024
_MAX_GAP_S = 60
_X264 = {"preset": "veryfast", "crf": "21", "threads": "1"}
_MPEG4 = {"qscale": "4"}


_Packet = Any  # av.Packet is generic in its stubs only


class VideoTape:
    """Encodes pictures as they come, at 25 a second, into a temporary file. Not thread-safe."""

    def __init__(self, side: int = 512) -> None:
        self._side = side
        self._file = tempfile.TemporaryFile(suffix=".mp4")  # noqa: SIM115 (closed in close())
        self._container: Any = av.open(self._file, "w", format="mp4")
        codec, options = ("libx264", _X264) if "libx264" in av.codecs_available else ("mpeg4", {})
        self._stream: Any = self._container.add_stream(codec, rate=FPS, options=options or _MPEG4)
        self._stream.width = self._stream.height = side
        self._stream.pix_fmt = "yuv420p"
        self._shown: av.VideoFrame | None = None
        self._next = 0
        self.start_s: float | None = None

    @property
    def length_s(self) -> float:
        return self._next / FPS

    def add(self, picture: av.VideoFrame, at_s: float) -> None:
        """Show ``picture`` from ``at_s`` on. The first one starts the clip.

        Raises:
            ValueError: a time a minute or more ahead of the clip: a broken clock.
        """
        if self.start_s is None:
            self.start_s = at_s
        index = round((at_s - self.start_s) * FPS)
        if index > self._next + _MAX_GAP_S * FPS:
            raise ValueError(
                f"picture {at_s - self.start_s:.0f} s into a {self.length_s:.0f} s clip"
            )
        self._write_until(index)
        self._shown = picture.reformat(width=self._side, height=self._side, format="yuv420p")

    def finish(self, end_s: float) -> InputContainer:
        """Hold the last picture until ``end_s``; return the finished, silent clip.

        Raises:
            ValueError: there was no picture at all.
        """
        if self.start_s is None:
            raise ValueError("no picture was received")
        self._write_until(max(self._next + 1, round((end_s - self.start_s) * FPS)))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._file.seek(0)
        return av.open(self._file, "r")

    def close(self) -> None:
        """Drop the temporary file."""
        self._file.close()

    def _write_until(self, index: int) -> None:
        """Write the picture shown now up to, not including, frame ``index``."""
        while self._shown is not None and self._next < index:
            self._shown.pts = self._next
            self._shown.time_base = Fraction(1, FPS)
            self._container.mux(self._stream.encode(self._shown))
            self._next += 1


class AudioTape:
    """Pieces of sound and when they sounded; where two overlap they add up."""

    def __init__(self) -> None:
        self._pieces: list[tuple[float, Pcm]] = []

    def add(self, pcm: Pcm, at_s: float) -> None:
        self._pieces.append((at_s, pcm))

    def mix_into(self, mix: NDArray[np.int32], start_s: float) -> None:
        """Add this tape to ``mix``, whose first sample is at ``start_s``."""
        for at_s, pcm in self._pieces:
            first = round((at_s - start_s) * OUTPUT_RATE)
            part = pcm[max(0, -first) : max(0, len(mix) - first)]
            first = max(0, first)
            mix[first : first + len(part)] += part


def write_clip(path: Path, video: VideoTape, sound: Sequence[AudioTape], end_s: float) -> float:
    """Mix, mux and write the clip; return its length in seconds. Blocks while it encodes.

    Raises:
        ValueError: there was no picture at all.
    """
    with video.finish(end_s) as silent:
        mix = np.zeros(round(video.length_s * OUTPUT_RATE), np.int32)
        for tape in sound:
            tape.mix_into(mix, video.start_s or 0.0)
        _mux(path, silent, np.clip(mix, -32768, 32767).astype(np.int16))
    return video.length_s


def _mux(path: Path, silent: InputContainer, pcm: Pcm) -> None:
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as file:
        clip: Any = file
        pictures: Any = clip.add_stream_from_template(silent.streams.video[0])
        voices: Any = clip.add_stream("aac", rate=OUTPUT_RATE, layout="mono", bit_rate=96_000)

        def video_packets() -> Iterator[_Packet]:
            source: Any = silent
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = pictures
                    yield packet

        for packet in merge(video_packets(), _aac_packets(voices, pcm), key=_decode_time):
            clip.mux(packet)


def _aac_packets(stream: Any, pcm: Pcm) -> Iterator[_Packet]:
    for first in range(0, len(pcm), _AAC_FRAME):
        piece = pcm[first : first + _AAC_FRAME].astype(np.float32) / 32768
        frame = av.AudioFrame.from_ndarray(piece[None], format="fltp", layout="mono")
        frame.sample_rate = OUTPUT_RATE
        frame.pts = first
        frame.time_base = Fraction(1, OUTPUT_RATE)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _decode_time(packet: _Packet) -> float:
    return float((packet.dts or 0) * packet.time_base)
