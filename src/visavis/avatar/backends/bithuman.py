"""bitHuman's SDK as a backend: commercial, metered, and not shipped with visavis.

Needs ``pip install bithuman`` (written for 2.12), a key and a model file per character. The SDK
draws in real time and sends the sound of each frame along, by which we know where in the turn
the frame belongs; that sound is not played.
"""

import asyncio
import importlib
from collections import deque
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis.avatar.backends.base import (
    AudioPiece,
    Availability,
    BackendError,
    Caps,
    Control,
    Frame,
    Stream,
)
from visavis.media import I420

RATE = 16_000
KEY = "VISAVIS_BITHUMAN_API_SECRET"
MODELS = "VISAVIS_BITHUMAN_MODELS"


class BithumanBackend:
    """``models``: a folder that holds ``CHARACTER.imx`` for every character."""

    name = "bithuman"
    caps = Caps(fps=25, sample_rate=RATE, pace="real_time", own_audio=True)

    def __init__(self, api_secret: str, models: Path | None) -> None:
        self._api_secret = api_secret
        self._models = models

    async def probe(self) -> Availability:
        missing: list[str] = []
        if find_spec("bithuman") is None:
            missing.append("package bithuman")
        if not self._api_secret:
            missing.append(f"key {KEY}")
        if self._models is None:
            missing.append(f"folder {MODELS}")
        elif not any(self._models.glob("*.imx")):
            missing.append(f"file {self._models}/CHARACTER.imx")
        reason = f"bitHuman is not set up here; missing: {', '.join(missing)}." if missing else ""
        return Availability(not missing, reason, tuple(missing))

    async def prepare(self, character_id: str) -> None:
        if not self._model(character_id).is_file():
            message = f"There is no bitHuman avatar at {self._model(character_id)}."
            raise BackendError("not_available", message)

    async def open(self, character_id: str, size: tuple[int, int]) -> Stream:
        """Load the model and ask bitHuman for leave to draw. Raises ``BackendError``."""
        sdk = importlib.import_module("bithuman")
        model = str(self._model(character_id))
        try:
            runtime = await sdk.AsyncBithuman.create(
                model_path=model, api_secret=self._api_secret, output_size=size
            )
            await runtime.start()
        except (sdk.BithumanError, sdk.AvatarError) as error:
            raise BackendError("refused", f"bitHuman: {str(error)[:300]}") from error
        return BithumanStream(runtime, (sdk.BithumanError, sdk.AvatarError))

    def _model(self, character_id: str) -> Path:
        if Path(character_id).name != character_id:
            raise BackendError("not_available", f"{character_id!r} is no name of a character.")
        return (self._models or Path()) / f"{character_id}.imx"


class Runtime(Protocol):
    """What we use of ``bithuman.AsyncBithuman``."""

    async def push_audio(self, data: bytes, sample_rate: int, last_chunk: bool) -> None: ...
    async def flush(self) -> None: ...
    def interrupt(self) -> None: ...
    def run(self) -> AsyncIterator[Any]: ...
    async def shutdown(self) -> None: ...


class BithumanStream:
    """One ``AsyncBithuman``. ``errors``: what the SDK raises."""

    caps = BithumanBackend.caps

    def __init__(self, runtime: Runtime, errors: tuple[type[Exception], ...]) -> None:
        self._runtime = runtime
        self._errors = errors
        self._turns: deque[int] = deque()
        """Turns whose sound was pushed and whose last frame has not come."""
        self._played_s = 0.0
        """How much of the first of them has been drawn."""

    async def push_audio(self, piece: AudioPiece) -> None:
        if piece.turn_id not in self._turns:
            self._turns.append(piece.turn_id)
        data = piece.pcm.astype("<i2").tobytes()
        await self._runtime.push_audio(data, RATE, last_chunk=False)

    async def end_of_speech(self, turn_id: int) -> None:
        if turn_id in self._turns:
            await self._runtime.flush()

    async def control(self, wish: Control) -> None:
        """The SDK has no way to be told of phases or moods while it draws."""

    async def clear(self, turn_id: int) -> None:
        stale = [turn for turn in self._turns if turn <= turn_id]
        if not stale:
            return
        for turn in stale:
            self._turns.remove(turn)
        self._played_s = 0.0
        self._runtime.interrupt()

    async def frames(self) -> AsyncIterator[Frame]:
        try:
            async for drawn in self._runtime.run():
                frame = self._placed(drawn)
                if frame is not None:
                    yield frame
        except self._errors as error:
            raise BackendError("worker", f"bitHuman: {str(error)[:300]}") from error

    async def close(self) -> None:
        async with asyncio.timeout(2):
            await self._runtime.shutdown()

    def _placed(self, drawn: Any) -> Frame | None:
        """An SDK frame on our clock; None for one without a picture."""
        picture = _i420(drawn.bgr_image) if drawn.has_image else None
        turn_id, position_s = -1, None
        if drawn.audio_chunk is not None and self._turns:
            turn_id, position_s = self._turns[0], self._played_s
            self._played_s += drawn.audio_chunk.duration
        if drawn.end_of_speech and self._turns:
            self._turns.popleft()
            self._played_s = 0.0
        return None if picture is None else Frame(turn_id, position_s, picture)


def _i420(bgr: NDArray[np.uint8]) -> I420:
    """Any size; an odd last row or column is left out."""
    even = np.ascontiguousarray(bgr[: bgr.shape[0] // 2 * 2, : bgr.shape[1] // 2 * 2])
    buffer = np.asarray(cv2.cvtColor(even, cv2.COLOR_BGR2YUV_I420), np.uint8)
    return I420(even.shape[1], even.shape[0], buffer)
