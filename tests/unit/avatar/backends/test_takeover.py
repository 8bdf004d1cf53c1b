"""The bridge, with the real playout clock: whatever the backend does, the face goes on."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from visavis.avatar.backends.avatar import BackendAvatar
from visavis.avatar.backends.base import (
    Availability,
    BackendError,
    Caps,
    Frame,
    RemoteAvatar,
)
from visavis.avatar.backends.process import FaceProcess
from visavis.avatar.backends.worker import WorkerBackend
from visavis.avatar.base import Avatar, Phase, Playhead
from visavis.conversation.playout import Playout, SpeechFinished
from visavis.media import I420, OUTPUT_RATE, EncodedVideo, SpeechChunk, TurnSpeech
from visavis.testing import MemoryRoom

REFERENCE = [sys.executable, "-m", "visavis.avatar.backends.reference_worker"]
SIZE = (384, 384)


class Marked:
    """A puppet that is easily told from a face: all of one grey, a little lighter every frame."""

    size = SIZE

    def __init__(self) -> None:
        self.drawn = 0
        self.spoken: list[TurnSpeech] = []

    def push_speech(self, speech: TurnSpeech) -> None:
        self.spoken.append(speech)

    def clear(self, turn_id: int) -> None: ...

    def feel(self, emotion, intensity) -> None: ...

    def frame(self, at: Playhead, out: I420) -> None:
        self.drawn += 1
        out.y[...] = 60 + self.drawn % 100
        out.u[...] = out.v[...] = 128


class Camera:
    """Stands where the encoder stands, and sees every picture."""

    def __init__(self) -> None:
        self.puppet: list[bool] = []
        self.moved: list[float] = []
        self._before: np.ndarray | None = None

    def encode(self, frame: I420, pts: int, *, keyframe: bool) -> EncodedVideo:
        self.puppet.append(bool(frame.y.std() < 1))
        lower = frame.y[frame.height // 2 :].astype(np.int16)
        if self._before is not None:
            self.moved.append(float(np.abs(lower - self._before).mean()))
        self._before = lower
        return EncodedVideo(b"x", keyframe, frame.width, frame.height)

    def set_bitrate(self, bps: int) -> None: ...


def speech(turn: int, seconds: float, start_s: float = 0.0) -> TurnSpeech:
    t = np.arange(round(seconds * OUTPUT_RATE)) / OUTPUT_RATE
    buzz = sum(np.sin(2 * np.pi * 120 * n * t) / n for n in range(1, 12))
    pcm = (buzz * (0.5 - 0.5 * np.cos(2 * np.pi * 4 * t)) * 6000).astype(np.int16)
    return TurnSpeech(turn, start_s, SpeechChunk(pcm, OUTPUT_RATE, "aaa"))


class Call:
    def __init__(self, process: FaceProcess) -> None:
        self.process = process
        self.puppet = Marked()
        self.avatar = BackendAvatar(WorkerBackend("reference", process), "ava", self.puppet)
        self.camera = Camera()
        self.room = MemoryRoom()
        self.failures: list[BackendError] = []
        self.events: list[object] = []
        self.playout = Playout(self.room, self.avatar, self.camera, self.events.append)

    async def until(self, condition, timeout_s: float = 15.0) -> None:
        await self.room.until(condition, timeout_s)

    async def until_theirs(self) -> None:
        await self.until(lambda: self.camera.puppet[-8:] == [False] * 8)


@asynccontextmanager
async def call(command: list[str]) -> AsyncIterator[Call]:
    process = FaceProcess("reference", command)
    made = Call(process)
    tasks = [
        asyncio.create_task(made.avatar.run(made.failures.append)),
        asyncio.create_task(made.playout.run()),
    ]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await process.stop()


def test_it_is_an_avatar_and_remote():
    avatar: Avatar = BackendAvatar(WorkerBackend("x", FaceProcess("x", [])), "a", Marked())
    assert isinstance(avatar, RemoteAvatar)
    assert avatar.size == SIZE
    assert not isinstance(Marked(), RemoteAvatar)


async def test_killed_in_the_middle_of_a_word_the_puppet_goes_on():
    async with call(REFERENCE) as talk:
        await talk.until(lambda: len(talk.camera.puppet) > 2)
        assert talk.camera.puppet[0], "until the backend is there, the puppet is"
        await talk.until_theirs()
        await talk.playout.play(speech(1, 2.0))
        talk.playout.finish(1)
        await talk.until(lambda: len([s for s in talk.room.heard if s.pcm.any()]) > 30)
        assert not talk.camera.puppet[-1]
        assert talk.process.pid is not None
        os.kill(talk.process.pid, signal.SIGKILL)
        seen = len(talk.camera.puppet)
        await talk.until(lambda: SpeechFinished(1) in talk.events)
        await talk.until(lambda: talk.camera.puppet[-1])
        taken_over = talk.camera.puppet.index(True, seen) - seen
        print(f"the puppet alone is seen {taken_over} pictures after the kill, 5 dissolving")
        assert [error.code for error in talk.failures] == ["lost"]
        assert talk.puppet.spoken, "it had been listening"
        sounding = [tick for tick in talk.room.heard if tick.pcm.any()]
        assert len(sounding) >= 95, "all of the 2 s were heard"


async def test_a_worker_that_is_too_slow_is_replaced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VISAVIS_REFERENCE_FACE_MS", "90")
    async with call(REFERENCE) as talk:
        await talk.until_theirs()
        await talk.playout.play(speech(1, 3.0))
        talk.playout.finish(1)
        await talk.until(lambda: bool(talk.failures))
        assert talk.failures[0].code == "slow"
        await talk.until(lambda: talk.camera.puppet[-1])
        await talk.until(lambda: SpeechFinished(1) in talk.events)


async def test_the_mouth_is_there_with_the_first_sound_and_after_an_interruption():
    async with call(REFERENCE) as talk:
        await talk.until_theirs()
        for turn in (1, 2):
            await talk.playout.play(speech(turn, 1.2))
            await talk.until(lambda: bool(talk.room.heard[-1].pcm.any()))
            assert talk.avatar.ready(turn), "sound waits for the first picture"
            begun = len(talk.camera.moved)
            await talk.until(lambda begun=begun: len(talk.camera.moved) > begun + 12)
            assert np.median(talk.camera.moved[begun:]) > 0.02, "the mouth moves"
            talk.playout.interrupt(turn)
            await talk.until(lambda: not talk.room.heard[-1].pcm.any())
        assert talk.failures == []
        assert talk.avatar.failed is None


@pytest.mark.parametrize(
    ("command", "code"),
    [(["/no/such"], "not_available"), ([sys.executable, "-c", "1/0"], "not_available")],
)
async def test_without_a_worker_the_puppet_speaks_from_the_start(command, code):
    async with call(command) as talk:
        await talk.until(lambda: bool(talk.failures) and len(talk.camera.puppet) > 3)
        assert talk.failures[0].code == code
        await talk.playout.play(speech(1, 0.3))
        talk.playout.finish(1)
        await talk.until(lambda: SpeechFinished(1) in talk.events)
        assert all(talk.camera.puppet)


def test_speech_that_began_before_the_backend_stays_with_the_puppet():
    avatar = BackendAvatar(WorkerBackend("x", FaceProcess("x", [])), "a", Marked())
    avatar.push_speech(speech(4, 0.1))
    assert avatar.ready(4)
    out = I420.empty(*SIZE)
    avatar.frame(Playhead(0, Phase.SPEAKING, 0, 4, 0.0), out)
    assert out.y.std() < 1


class StillStream:
    """Sends one idle picture, and then nothing."""

    caps = Caps(sample_rate=OUTPUT_RATE)

    async def frames(self) -> AsyncIterator[Frame]:
        picture = I420.empty(*SIZE)
        picture.buffer[...] = 128
        yield Frame(-1, None, picture)
        await asyncio.Event().wait()

    async def close(self) -> None: ...


class Still:
    """A backend of one picture."""

    name = "still"
    caps = StillStream.caps

    async def probe(self) -> Availability:
        return Availability(True)

    async def prepare(self, character_id: str) -> None: ...

    async def open(self, character_id: str, size: tuple[int, int]) -> StillStream:
        return StillStream()


@pytest.mark.parametrize("marked", [True, False])
async def test_another_face_is_marked_as_an_ai_as_well(marked: bool):
    avatar = BackendAvatar(Still(), "x", Marked(), marked=marked)  # type: ignore[arg-type]
    task = asyncio.create_task(avatar.run(lambda error: None))
    out = I420.empty(*SIZE)
    async with asyncio.timeout(10):
        while out.y[300, 300] != 128 or out.y[200:].std():
            await asyncio.sleep(0)
            avatar.frame(Playhead(0, Phase.IDLE, 0, 0, None), out)
    corner = out.y[: SIZE[1] // 8, : SIZE[0] // 8]
    assert bool(corner.std() > 5) is marked
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
