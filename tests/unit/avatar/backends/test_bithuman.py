"""Without the package and a key only what is ours can run: the probe, and the mapping of frames.

``Drawn`` and ``Sound`` have the attributes of ``bithuman.VideoFrame`` and ``AudioChunk`` (2.12).
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from visavis.avatar.backends.base import AudioPiece, BackendError
from visavis.avatar.backends.bithuman import BithumanBackend, BithumanStream


@dataclass
class Sound:
    duration: float = 0.04


@dataclass
class Drawn:
    bgr_image: np.ndarray | None = field(
        default_factory=lambda: np.full((37, 51, 3), (255, 0, 0), np.uint8)
    )
    audio_chunk: Sound | None = None
    end_of_speech: bool = False

    @property
    def has_image(self) -> bool:
        return self.bgr_image is not None


class SdkError(Exception):
    pass


@dataclass
class Runtime:
    drawn: list[Drawn | Exception]
    pushed: list[tuple[int, int, bool]] = field(default_factory=list)
    flushed: int = 0
    interrupted: int = 0

    async def push_audio(self, data: bytes, sample_rate: int, last_chunk: bool) -> None:
        self.pushed.append((len(data), sample_rate, last_chunk))

    async def flush(self) -> None:
        self.flushed += 1

    def interrupt(self) -> None:
        self.interrupted += 1

    async def run(self):
        while self.drawn:
            item = self.drawn.pop(0)
            if isinstance(item, Exception):
                raise item
            yield item

    async def shutdown(self) -> None: ...


async def test_the_probe_names_what_is_missing(tmp_path: Path):
    nothing = await BithumanBackend("", None).probe()
    assert not nothing.ok
    assert nothing.missing == (
        "package bithuman",
        "key VISAVIS_BITHUMAN_API_SECRET",
        "folder VISAVIS_BITHUMAN_MODELS",
    )
    no_model = await BithumanBackend("secret", tmp_path).probe()
    assert no_model.missing == ("package bithuman", f"file {tmp_path}/CHARACTER.imx")
    assert "secret" not in no_model.reason
    (tmp_path / "sofia.imx").touch()
    assert (await BithumanBackend("secret", tmp_path).probe()).missing == ("package bithuman",)


@pytest.mark.parametrize("character", ["nobody", "../secret", "a/b"])
async def test_a_character_is_a_file_of_the_folder(tmp_path: Path, character: str):
    with pytest.raises(BackendError) as caught:
        await BithumanBackend("secret", tmp_path).prepare(character)
    assert caught.value.code == "not_available"


async def test_frames_are_placed_by_the_sound_that_comes_with_them():
    sdk = Runtime(
        [
            Drawn(),
            Drawn(audio_chunk=Sound()),
            Drawn(audio_chunk=Sound()),
            Drawn(bgr_image=None),
            Drawn(audio_chunk=Sound(), end_of_speech=True),
            Drawn(audio_chunk=Sound()),
            Drawn(),
        ]
    )
    stream = BithumanStream(sdk, (SdkError,))
    for turn in (5, 6):
        await stream.push_audio(AudioPiece(turn, 0.0, np.zeros(1600, np.int16)))
        await stream.end_of_speech(turn)
    placed = [(frame.turn_id, frame.position_s) async for frame in stream.frames()]
    assert placed == [(-1, None), (5, 0.0), (5, 0.04), (5, 0.08), (6, 0.0), (-1, None)]
    assert sdk.pushed == [(3200, 16_000, False)] * 2
    assert sdk.flushed == 2


async def test_an_interruption_forgets_the_turn_and_its_place():
    sdk = Runtime([Drawn(audio_chunk=Sound())])
    stream = BithumanStream(sdk, (SdkError,))
    await stream.clear(3)
    assert sdk.interrupted == 0, "nothing was being said"
    await stream.push_audio(AudioPiece(4, 0.0, np.zeros(1600, np.int16)))
    assert [frame.turn_id async for frame in stream.frames()] == [4]
    await stream.clear(4)
    assert sdk.interrupted == 1
    await stream.push_audio(AudioPiece(5, 0.0, np.zeros(1600, np.int16)))
    sdk.drawn = [Drawn(audio_chunk=Sound())]
    assert [(f.turn_id, f.position_s) async for f in stream.frames()] == [(5, 0.0)]


async def test_pictures_are_made_even_and_keep_their_colour():
    stream = BithumanStream(Runtime([Drawn()]), (SdkError,))
    (frame,) = [frame async for frame in stream.frames()]
    assert (frame.picture.width, frame.picture.height) == (50, 36)
    assert frame.picture.u.mean() > 200, "blue is where U is high"


async def test_what_the_sdk_raises_is_a_failure_of_the_backend():
    stream = BithumanStream(Runtime([SdkError("out of credit")]), (SdkError,))
    with pytest.raises(BackendError, match="out of credit"):
        _ = [frame async for frame in stream.frames()]
