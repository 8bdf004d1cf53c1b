"""The user's sound as an unbroken real-time stream, whatever the engine delivers."""

from collections.abc import Iterator

import av
import numpy as np

from visavis.media import INPUT_RATE, INPUT_TICK, TICK_MS, AudioChunk, Pcm

_TICK_US = TICK_MS * 1000
_SILENCE_AFTER_US = 80_000
"""libwebrtc does not deliver silence at all; a gap this long is silence, not jitter."""
_AHEAD_US = 100_000


class Microphone:
    """Cuts what is heard into 20 ms chunks at 16 kHz and fills gaps with silence.

    Voice activity detection and transcription count samples to tell time, so their stream must
    neither stop nor run ahead of the clock. Pure: the caller says what time it is.
    """

    def __init__(self, start_us: int) -> None:
        self._due_us = start_us
        """Capture time of the next chunk."""
        self._pending = np.empty(0, np.int16)
        self._format: tuple[int, int] | None = None
        self._resampler: av.AudioResampler | None = None

    def heard(self, pcm: bytes, rate: int, channels: int, at_us: int) -> Iterator[AudioChunk]:
        """Interleaved s16 that just came from the engine, at its rate."""
        self._pending = np.concatenate((self._pending, self._resample(pcm, rate, channels)))
        while len(self._pending) >= INPUT_TICK:
            yield self._chunk(self._pending[:INPUT_TICK])
            self._pending = self._pending[INPUT_TICK:]
        # Late sound after filled-in silence, or a sender's fast clock: do not run ahead.
        if self._due_us > at_us + _AHEAD_US:
            self._due_us = at_us

    def silence(self, at_us: int) -> Iterator[AudioChunk]:
        """Silence for the time in which nothing came. Call it every tick."""
        if at_us - self._due_us < _TICK_US + _SILENCE_AFTER_US:
            return
        # What is left of the last words ends with the silence that follows it.
        rest = np.zeros(INPUT_TICK, np.int16)
        rest[: len(self._pending)] = self._pending
        self._pending = np.empty(0, np.int16)
        yield self._chunk(rest)
        while at_us - self._due_us >= _TICK_US + _SILENCE_AFTER_US:
            yield self._chunk(np.zeros(INPUT_TICK, np.int16))

    def _chunk(self, pcm: Pcm) -> AudioChunk:
        chunk = AudioChunk(pcm, self._due_us)
        self._due_us += _TICK_US
        return chunk

    def _resample(self, pcm: bytes, rate: int, channels: int) -> Pcm:
        if self._format != (rate, channels):
            self._format = (rate, channels)
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=INPUT_RATE)
        assert self._resampler is not None
        frame = av.AudioFrame(
            format="s16",
            layout="stereo" if channels == 2 else "mono",
            samples=len(pcm) // (2 * channels),
        )
        frame.sample_rate = rate
        frame.planes[0].update(pcm)
        out = [np.asarray(f.to_ndarray()[0], np.int16) for f in self._resampler.resample(frame)]
        return np.concatenate(out) if out else np.empty(0, np.int16)
