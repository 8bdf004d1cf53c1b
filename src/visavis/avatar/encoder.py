"""VP8, encoded once for the room and the recorder, and obedient to both."""

from fractions import Fraction
from typing import Any

import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from visavis.media import FPS, I420, EncodedVideo, video_bps

_OPTIONS = {
    "deadline": "realtime",
    "cpu-used": "-8",  # negative: that speed, whatever time is left
    "lag-in-frames": "0",
    "noise-sensitivity": "0",
    "error-resilient": "1",
    "static-thresh": "100",  # a still background costs nothing; 0.3 ms less, same PSNR
    "undershoot-pct": "95",
    "overshoot-pct": "100",
    "max-intra-rate": "900",
}
_PATIENCE_S = 3
"""A rising estimate is followed in steps no shorter than this."""
_GOP_S = 60
"""A key frame is sent when asked for; this is only for those who never ask."""
_RETARGET = 0.2
"""libvpx behind FFmpeg keeps the bitrate it was opened with (setting it on the live context does
nothing), and a newly opened encoder begins with a key frame: change it only when it pays."""


class Vp8Encoder:
    """A live VP8 encoder for one picture size, on one thread at a time. Releases the GIL."""

    def __init__(
        self, width: int, height: int, bitrate_bps: int | None = None, fps: int = FPS
    ) -> None:
        """``bitrate_bps``: None is what a talking head of this size is worth."""
        self._width, self._height, self._fps = width, height, fps
        self._wanted_bps = self._bitrate_bps = bitrate_bps or video_bps((width, height))
        self._codec = self._open()
        self._age = 0
        self._frame = VideoFrame(width, height, "yuv420p")

    @property
    def bitrate_bps(self) -> int:
        """What the encoder aims at now."""
        return self._bitrate_bps

    def set_bitrate(self, bps: int) -> None:
        """Aim at another bitrate. More than 20 % less is obeyed at once, 20 % more when the last
        change is three seconds old, both at the cost of a key frame; any other change waits for
        the next key frame that is sent anyway."""
        self._wanted_bps = max(50_000, bps)

    def encode(self, frame: I420, pts: int, *, keyframe: bool = False) -> EncodedVideo:
        """Encode ``frame``; ``pts`` counts frames and must grow."""
        if (frame.width, frame.height) != (self._width, self._height):
            raise ValueError(f"encoder is {self._width}x{self._height}, not {frame.width}x…")
        if self._should_retarget(keyframe):
            self._bitrate_bps = self._wanted_bps
            self._codec = self._open()
            self._age = 0
        self._age += 1
        self._fill(frame)
        self._frame.pts = pts
        self._frame.time_base = Fraction(1, self._fps)
        self._frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        packets = self._codec.encode(self._frame)
        if len(packets) != 1:
            raise RuntimeError(f"one frame gave {len(packets)} packets")
        packet = packets[0]
        return EncodedVideo(bytes(packet), packet.is_keyframe, self._width, self._height)

    def _should_retarget(self, keyframe: bool) -> bool:
        change = self._wanted_bps / self._bitrate_bps - 1
        if keyframe:
            return change != 0
        return change < -_RETARGET or (change > _RETARGET and self._age > _PATIENCE_S * self._fps)

    def _fill(self, frame: I420) -> None:
        """Copy the planes into the encoder's own frame, row by row where it pads them."""
        for plane, source in zip(self._frame.planes, (frame.y, frame.u, frame.v), strict=True):
            target = memoryview(plane)

            view = np.frombuffer(target, np.uint8).reshape(-1, plane.line_size)
            view[: source.shape[0], : source.shape[1]] = source

    def _open(self) -> Any:  # PyAV types its packets in part only
        codec = VideoCodecContext.create("libvpx", "w")
        codec.width, codec.height = self._width, self._height
        codec.pix_fmt = "yuv420p"
        codec.time_base = Fraction(1, self._fps)
        codec.framerate = Fraction(self._fps)
        codec.bit_rate = self._bitrate_bps
        codec.gop_size = _GOP_S * self._fps
        codec.thread_count = 1
        steady = {name: str(self._bitrate_bps) for name in ("minrate", "maxrate", "bufsize")}
        codec.options = _OPTIONS | steady  # equal rates: libvpx keeps them constant
        codec.open()
        return codec
