"""The caller's microphone: real time, 20 ms at a time, never silent to the last bit."""

import asyncio
import fractions
import time
from dataclasses import dataclass

import aiortc
import av
import numpy as np

from visavis.media import OUTPUT_RATE, OUTPUT_TICK, TICK_MS, Pcm

_TICK_S = TICK_MS / 1000
_ROOM_NOISE = 6
_LATE_S = 0.2


@dataclass(frozen=True, slots=True)
class Spoken:
    """When an utterance's first and last sample left, on the local monotonic clock."""

    start_s: float
    end_s: float


class HungUp(Exception):
    """The call ended while we spoke."""


class Microphone(aiortc.MediaStreamTrack):
    """Sends what ``say`` gives it, and a quiet room's noise in between.

    The noise (about -75 dBFS) is there because no microphone delivers zeros, and some
    receivers drop sound that is exactly zero.
    """

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._rest: Pcm = np.zeros(0, np.int16)
        self._noise = np.random.default_rng(7)
        self._start_s: float | None = None
        self._first_s: float | None = None
        self._done: asyncio.Future[Spoken] | None = None
        self._ticks = 0
        self._hung_up = False

    async def say(self, pcm: Pcm) -> Spoken:
        """Speak, in real time; return when the last sample has left.

        Raises:
            HungUp: the call has ended.
        """
        if self._hung_up:
            raise HungUp("The call has ended.")
        if self._done is not None:
            raise RuntimeError("already speaking")
        if len(pcm) == 0:
            raise ValueError("nothing to say")
        self._rest, self._first_s = pcm, None
        self._done = asyncio.get_running_loop().create_future()
        try:
            return await self._done
        finally:
            self._rest, self._done = np.zeros(0, np.int16), None

    def hang_up(self) -> None:
        """Nobody listens any more: whoever is speaking is told."""
        self._hung_up = True
        if self._done is not None and not self._done.done():
            self._done.set_exception(HungUp("The call has ended."))

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms, when they are due."""
        now = time.monotonic()
        due = now if self._start_s is None else self._start_s + self._ticks * _TICK_S
        if self._start_s is None or now - due > _LATE_S:
            self._start_s, due = now - self._ticks * _TICK_S, now
        await asyncio.sleep(due - now)
        frame = av.AudioFrame.from_ndarray(self._tick(due)[None], format="s16", layout="mono")
        frame.sample_rate = OUTPUT_RATE
        frame.pts = self._ticks * OUTPUT_TICK
        frame.time_base = fractions.Fraction(1, OUTPUT_RATE)
        self._ticks += 1
        return frame

    def _tick(self, due_s: float) -> Pcm:
        pcm = self._noise.integers(-_ROOM_NOISE, _ROOM_NOISE + 1, OUTPUT_TICK, np.int16)
        said, self._rest = self._rest[:OUTPUT_TICK], self._rest[OUTPUT_TICK:]
        if len(said):
            pcm[: len(said)] = said
            if self._first_s is None:
                self._first_s = due_s - _TICK_S
            if len(self._rest) == 0 and self._done is not None and not self._done.done():
                end_s = due_s - (OUTPUT_TICK - len(said)) / OUTPUT_RATE
                self._done.set_result(Spoken(self._first_s, end_s))
        return pcm
