"""Both sides' sound as one: each piece at its time, silence where there is none."""

from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray

from visavis.media import INPUT_RATE, OUTPUT_RATE, Pcm
from visavis.records.recorder_capture import Kind, Piece

LATE_US = 2_000_000
"""Pieces of one moment are written at most this far apart."""
_STEP_S = 1


class Mix:
    """Takes pieces in the order they were written; gives mono s16 at ``OUTPUT_RATE``.

    Holds a few seconds, however long the call was.
    """

    def __init__(self, zero_us: int) -> None:
        self._zero_us = zero_us
        self._agent = _Track(OUTPUT_RATE)
        self._user = _Track(INPUT_RATE)
        self._upsampler = av.AudioResampler(format="s16", layout="mono", rate=OUTPUT_RATE)
        self._read_s = 0
        self._given = 0
        """Samples given out, at ``OUTPUT_RATE``."""

    def add(self, piece: Piece) -> None:
        """Place a piece of sound. What is before time 0 or far too late is left out."""
        track = self._agent if piece.kind is Kind.AGENT_SOUND else self._user
        pcm = np.frombuffer(piece.data[: len(piece.data) // 2 * 2], np.int16)
        track.add(pcm, round((piece.at_us - self._zero_us) * track.rate / 1_000_000))

    def ready(self, now_us: int) -> Iterator[tuple[int, Pcm]]:
        """What nothing can be added to any more: (number of the first sample, samples)."""
        while (self._read_s + _STEP_S) * 1_000_000 <= now_us - self._zero_us - LATE_US:
            yield from self._give(self._upsample(self._user.take(_STEP_S * INPUT_RATE)))
            self._read_s += _STEP_S

    def rest(self, end_us: int) -> Iterator[tuple[int, Pcm]]:
        """All that is left, up to ``end_us``."""
        yield from self.ready(end_us + LATE_US)
        total = round((end_us - self._zero_us) * OUTPUT_RATE / 1_000_000)
        user = self._upsample(self._user.take(_STEP_S * INPUT_RATE), last=True)
        yield from self._give(user[: max(0, total - self._given)])

    def _give(self, user: NDArray[np.int32]) -> Iterator[tuple[int, Pcm]]:
        if len(user):
            both = self._agent.take(len(user)) + user
            yield self._given, np.clip(both, -32768, 32767).astype(np.int16)
            self._given += len(user)

    def _upsample(self, sound: NDArray[np.int32], *, last: bool = False) -> NDArray[np.int32]:
        pcm = np.clip(sound, -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = INPUT_RATE
        frames = self._upsampler.resample(frame)
        if last:
            frames += self._upsampler.resample(None)
        parts = [np.asarray(frame.to_ndarray()[0], np.int32) for frame in frames]
        return np.concatenate(parts) if parts else np.empty(0, np.int32)


class _Track:
    """A window of one side's samples, at the side's own rate."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._first = 0
        """Number of the window's first sample."""
        self._window = np.zeros(0, np.int32)

    def add(self, pcm: Pcm, first: int) -> None:
        cut = max(0, self._first - first)
        start = first + cut - self._first
        pcm = pcm[cut:]
        missing = start + len(pcm) - len(self._window)
        if missing > 0 and len(pcm):
            self._window = np.concatenate((self._window, np.zeros(missing, np.int32)))
        self._window[start : start + len(pcm)] += pcm

    def take(self, samples: int) -> NDArray[np.int32]:
        """The next ``samples``, silence where nothing is."""
        taken, self._window = self._window[:samples], self._window[samples:]
        self._first += samples
        return np.pad(taken, (0, samples - len(taken)))
