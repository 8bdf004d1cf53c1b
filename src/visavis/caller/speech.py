"""What the caller says, as sound."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from visavis.media import OUTPUT_RATE, Pcm

_FRAME = OUTPUT_RATE // 100
_QUIET_DB = -35.0


class SpeechError(Exception):
    """A sentence cannot be spoken: unreadable recording, or a voice that is not installed."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of the caller's speech: mono s16 at 48 kHz."""

    source: str
    """``"text"`` or the recording's file name."""
    text: str | None
    pcm: Pcm = field(repr=False)

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / OUTPUT_RATE


def trim(pcm: Pcm) -> Pcm:
    """Cut silence off both ends, to the 10 ms frames within 35 dB of the loudest."""
    count = len(pcm) // _FRAME
    if count == 0:
        return pcm
    frames = pcm[: count * _FRAME].reshape(count, _FRAME).astype(np.float32)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-9)
    voiced = np.flatnonzero(level > level.max() + _QUIET_DB)
    return pcm[voiced[0] * _FRAME : (voiced[-1] + 1) * _FRAME]


def recording(
    path: Path, *, text: str | None = None, start_s: float = 0.0, end_s: float | None = None
) -> Utterance:
    """Read a sound file (any format FFmpeg reads), or the part between two times of it.

    Raises:
        SpeechError: the file cannot be read or holds no sound.
    """
    pcm = _decode(path)
    end = len(pcm) if end_s is None else int(end_s * OUTPUT_RATE)
    pcm = trim(pcm[int(start_s * OUTPUT_RATE) : end])
    if len(pcm) == 0:
        raise SpeechError(f"{path} holds no sound.")
    return Utterance(path.name, text, pcm)


def _decode(path: Path) -> Pcm:
    import av
    from av.error import FFmpegError

    resampler = av.AudioResampler(format="s16", layout="mono", rate=OUTPUT_RATE)
    pieces: list[Pcm] = []
    try:
        with av.open(str(path)) as container:
            for decoded in container.decode(audio=0):
                pieces += [frame.to_ndarray()[0] for frame in resampler.resample(decoded)]
            pieces += [frame.to_ndarray()[0] for frame in resampler.resample(None)]
    except (OSError, ValueError, IndexError, FFmpegError) as error:
        raise SpeechError(f"{path} cannot be read as sound: {error}") from error
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
