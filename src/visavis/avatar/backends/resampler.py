"""Speech at the rate that a backend hears, without a seam between the chunks of a turn."""

import av
import numpy as np

from visavis.media import OUTPUT_RATE, Pcm, TurnSpeech

_HOLE_S = 0.02


class Resampler:
    """Call it with a turn's speech in order. Not thread-safe."""

    def __init__(self) -> None:
        self._turn: int | None = None
        self._resampler: av.AudioResampler | None = None
        self._end_s = 0.0

    def convert(self, speech: TurnSpeech, rate: int) -> tuple[float, Pcm]:
        """Where in the turn it begins, in seconds, and its samples at ``rate``.

        The filter keeps the last few samples for the next chunk, so a chunk begins where the one
        before it ended, unless there really is a hole.
        """
        pcm = speech.chunk.pcm
        if rate == OUTPUT_RATE or not len(pcm):
            return speech.start_s, pcm
        if speech.turn_id != self._turn or self._resampler is None:
            self._turn, self._end_s = speech.turn_id, speech.start_s
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        start_s = self._end_s
        if speech.start_s - start_s > _HOLE_S:
            start_s = speech.start_s
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = OUTPUT_RATE
        parts = [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        samples = np.concatenate(parts).astype(np.int16) if parts else np.zeros(0, np.int16)
        self._end_s = start_s + len(samples) / rate
        return start_s, samples
