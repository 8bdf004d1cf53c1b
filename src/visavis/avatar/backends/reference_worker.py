"""A face in a process of its own, complete: visavis's own puppet, driven by sound alone.

``python -m visavis.avatar.backends.reference_worker --socket PATH``. It shows how an adapter is
written, and is what the tests kill, slow down and confuse. A neural model goes where ``Puppet`` is.
"""

import os
import time
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from visavis.avatar import puppet, rig
from visavis.avatar.backends import worker_kit as kit
from visavis.avatar.base import Phase, Playhead
from visavis.media import FPS, I420, OUTPUT_RATE, Emotion, SpeechChunk, TurnSpeech

_SLOW_ENV = "VISAVIS_REFERENCE_FACE_MS"
"""Milliseconds to waste on every spoken frame: to see what a machine does that is too slow."""


class PuppetTalker(kit.Talker):
    def __init__(self, character: str, size: tuple[int, int]) -> None:
        self._puppet = puppet.Puppet(rig.load(rig.find(character)), size=size)
        self._picture = I420.empty(*size)
        self._phase = Phase.IDLE
        self._since_us = 0
        self._clock_us = 0
        self._waste_s = float(os.environ.get(_SLOW_ENV, "0")) / 1000

    def hear(
        self,
        turn: int,
        position_s: float,
        pcm: NDArray[np.int16],
        timing: dict[str, Any] | None,
    ) -> None:
        self._puppet.push_speech(TurnSpeech(turn, position_s, SpeechChunk(pcm, OUTPUT_RATE, "")))

    def speak(self, window: kit.Window) -> Sequence[NDArray[np.uint8]]:
        time.sleep(self._waste_s * window.count)
        self._enter(Phase.SPEAKING)
        positions = [window.position_s + n / FPS for n in range(window.count)]
        return [self._draw(window.turn, position_s) for position_s in positions]

    def idle(self) -> NDArray[np.uint8]:
        return self._draw(0, None)

    def control(self, wish: dict[str, Any]) -> None:
        if wish.get("phase") in list(Phase):
            self._enter(Phase(wish["phase"]))
        if wish.get("emotion") in get_args(Emotion):
            self._puppet.feel(wish["emotion"], float(wish.get("intensity", 1.0)))

    def clear(self, turn: int) -> None:
        self._puppet.clear(turn)

    def _enter(self, phase: Phase) -> None:
        if phase is not self._phase:
            self._phase, self._since_us = phase, self._clock_us

    def _draw(self, turn: int, position_s: float | None) -> NDArray[np.uint8]:
        """The next picture, 40 ms on, whenever it is drawn."""
        self._clock_us += 1_000_000 // FPS
        at = Playhead(self._clock_us, self._phase, self._since_us, turn, position_s)
        self._puppet.frame(at, self._picture)
        return self._picture.buffer.copy()


class PuppetFace(kit.Face):
    name = "reference"
    caps = kit.Caps(fps=FPS, sample_rate=OUTPUT_RATE, lookahead_ms=40, batch=2, emotions=True)

    def load(self) -> None:
        puppet.warm_up()

    def open(self, character: str, width: int, height: int) -> kit.Talker:
        return PuppetTalker(character, (width, height))


if __name__ == "__main__":
    kit.main(PuppetFace())
