"""The recorded room: nothing before consent, everything after it, and a no that undoes a yes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import av
import numpy as np
import pytest

from visavis.avatar.base import Playhead
from visavis.avatar.encoder import Vp8Encoder
from visavis.conversation.playout import TICK_US, Playout
from visavis.conversation.recording import MAX_STARTS, RecordedRoom
from visavis.conversation.spec import SessionSpec
from visavis.events import RecordingConsent, RecordingStopped
from visavis.media import (
    I420,
    INPUT_TICK,
    OUTPUT_RATE,
    OUTPUT_TICK,
    EncodedVideo,
    SpeechChunk,
    TurnSpeech,
)
from visavis.providers.base import Endpoint
from visavis.records.recorder_capture import Kind, read_pieces
from visavis.records.recorder_mp4 import write_mp4
from visavis.rooms.rtvi import RtviMessage
from visavis.testing import MemoryRoom

NOWHERE = Endpoint(base_url="http://127.0.0.1:9/v1", api_key="", model="none")
LOUD = np.full(OUTPUT_TICK, 1000, np.int16)


class Call:
    """A room with a user who answers, and an agent who talks and is seen."""

    def __init__(self, path: Path | None, *, asked_before: bool = False) -> None:
        self.path = path
        self.room = MemoryRoom()
        self.events: list[object] = []
        self.keyframes = 0
        spec = SessionSpec(
            session_id="s",
            agent_id="a",
            agent_name="Ava",
            agent={},  # type: ignore[arg-type]
            stt=NOWHERE,
            llm=NOWHERE,
            tts=NOWHERE,
            recording_path=str(path) if path else None,
            recording_consent=asked_before,
        )
        self.recorded = RecordedRoom(self.room, spec, self.events.append)
        self.recorded.request_keyframe = self._ask
        self.passed: list[RtviMessage] = []

    def _ask(self) -> None:
        self.keyframes += 1

    async def answer(self, data: object) -> RtviMessage:
        """Tell the room and wait for its word on it."""
        told = len(self.room.told)
        self.room.tell(RtviMessage("client-message", {"t": "recording-consent", "d": data}, "m1"))
        await self.room.until(lambda: len(self.room.told) > told)
        return self.room.told[-1]

    async def read_messages(self) -> None:
        async for message in self.recorded.messages():
            self.passed.append(message)

    def show(self, *, keyframe: bool, at_us: int = 0) -> None:
        self.recorded.push_video(EncodedVideo(b"vp8", keyframe, 64, 64), at_us)

    def on_disk(self) -> list[Path]:
        assert self.path
        return list(self.path.parent.iterdir())

    def kinds(self) -> list[Kind]:
        assert self.path
        return [piece.kind for piece in read_pieces(self.path)]


@pytest.fixture
async def reading() -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks: list[asyncio.Task[None]] = []
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_nothing_is_written_before_the_user_agrees(tmp_path: Path, reading: list) -> None:
    call = Call(tmp_path / "a.capture")
    async with call.recorded:
        reading.append(asyncio.create_task(call.read_messages()))
        call.recorded.push_audio(LOUD, 0)
        call.show(keyframe=True)
        assert not call.on_disk()
        told = await call.answer({"granted": True})
        assert told.type == "server-response"
        assert told.id == "m1"
        assert told.data["d"] == {"granted": True, "recording": True}
        assert call.keyframes == 1
        call.show(keyframe=False, at_us=10_000)
        call.show(keyframe=True, at_us=50_000)
        call.show(keyframe=False, at_us=90_000)
        call.recorded.push_audio(LOUD, 100_000)
        call.recorded.push_audio(LOUD * 0, 120_000)
    assert call.kinds() == [Kind.KEY_PICTURE, Kind.PICTURE, Kind.AGENT_SOUND]
    assert call.events[0] == RecordingConsent(True)
    stopped = call.events[-1]
    assert isinstance(stopped, RecordingStopped)
    assert stopped.duration_ms == 50
    assert len(call.room.seen) == 4
    assert len(call.room.heard) == 3
    assert call.passed == []


async def test_who_refuses_is_not_recorded(tmp_path: Path, reading: list) -> None:
    call = Call(tmp_path / "a.capture")
    async with call.recorded:
        reading.append(asyncio.create_task(call.read_messages()))
        told = await call.answer({"granted": False})
        assert told.data["d"] == {"granted": False, "recording": False}
        call.show(keyframe=True)
        call.recorded.push_audio(LOUD, 0)
    assert not call.on_disk()
    assert call.events == [RecordingConsent(False)]


async def test_a_later_no_removes_what_was_written(tmp_path: Path, reading: list) -> None:
    """The app had asked, but the user has the last word; and may agree again."""
    call = Call(tmp_path / "a.capture", asked_before=True)
    async with call.recorded:
        assert call.events == [RecordingConsent(True)]
        reading.append(asyncio.create_task(call.read_messages()))
        call.show(keyframe=True)
        await call.answer({"granted": False})
        assert not call.on_disk()
        await call.answer({"granted": True})
        call.show(keyframe=False)
        call.show(keyframe=True)
    assert call.kinds() == [Kind.KEY_PICTURE]


async def test_minds_may_change_only_so_often_but_no_always_counts(
    tmp_path: Path, reading: list
) -> None:
    call = Call(tmp_path / "a.capture")
    async with call.recorded:
        reading.append(asyncio.create_task(call.read_messages()))
        for _ in range(MAX_STARTS + 3):
            await call.answer({"granted": True})
            told = await call.answer({"granted": False})
            assert told.data["d"] == {"granted": False, "recording": False}
        assert (await call.answer({"granted": True})).data["d"] == {
            "granted": True,
            "recording": False,
        }
    assert not call.on_disk()
    assert len(call.events) == 2 * MAX_STARTS


@pytest.mark.parametrize("data", [None, {}, {"granted": "yes"}, [], {"granted": 1}])
async def test_an_unclear_answer_is_no_consent(tmp_path: Path, reading: list, data: object) -> None:
    call = Call(tmp_path / "a.capture")
    async with call.recorded:
        reading.append(asyncio.create_task(call.read_messages()))
        assert (await call.answer(data)).type == "error-response"
        call.show(keyframe=True)
    assert not call.on_disk()


async def test_an_agent_that_does_not_record_never_does(reading: list) -> None:
    call = Call(None, asked_before=True)
    async with call.recorded:
        reading.append(asyncio.create_task(call.read_messages()))
        told = await call.answer({"granted": True})
        assert told.data["d"] == {"granted": True, "recording": False}
    assert call.events == []


async def test_a_lost_picture_is_made_good_by_a_key_frame(tmp_path: Path) -> None:
    call = Call(tmp_path / "a.capture", asked_before=True)
    async with call.recorded:
        recorder = call.recorded._recorder
        assert recorder
        call.show(keyframe=True)
        kept, recorder.write = recorder.write, lambda *piece: False
        call.show(keyframe=False)
        recorder.write = kept
        assert call.keyframes == 2, "one to begin with, one after the loss"
        call.show(keyframe=False)
        call.show(keyframe=True)
        call.show(keyframe=False)
    assert call.kinds() == [Kind.KEY_PICTURE, Kind.KEY_PICTURE, Kind.PICTURE]


class Flash:
    """An avatar that is white while it speaks."""

    size = (64, 64)

    def push_speech(self, speech: TurnSpeech) -> None: ...

    def clear(self, turn_id: int) -> None: ...

    def frame(self, at: Playhead, out: I420) -> None:
        out.y[:] = 16 if at.position_s is None else 235
        out.buffer[64:] = 128


async def test_face_and_voice_are_together_in_the_file(tmp_path: Path) -> None:
    """From the playout's clock to the MP4: within 40 ms."""
    call = Call(tmp_path / "a.capture", asked_before=True)
    now = 5_000_000
    async with call.recorded as room:
        playout = Playout(room, Flash(), Vp8Encoder(64, 64), lambda _: None, clock=lambda: now)
        room.request_keyframe = playout.video.request_keyframe
        for tick in range(200):
            if tick == 101:
                tone = (np.sin(np.arange(OUTPUT_RATE) * 0.13) * 9000).astype(np.int16)
                await playout.play(TurnSpeech(1, 0.0, SpeechChunk(tone, OUTPUT_RATE, "Ah")))
            playout.tick(now)
            playout.video.draw_due()
            now += TICK_US
    write_mp4(tmp_path / "a.capture", tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as clip:
        pictures = [(frame.time, frame.to_ndarray()[:64].mean()) for frame in clip.decode(video=0)]
        clip.seek(0)
        sound = [(frame.time, frame.to_ndarray()[0]) for frame in clip.decode(audio=0)]
    flash_s = next(at for at, luma in pictures if luma > 150)
    start_s, loud = next((at, pcm) for at, pcm in sound if np.abs(pcm).max() > 0.1)
    onset_s = start_s + int(np.argmax(np.abs(loud) > 0.1)) / OUTPUT_RATE
    assert abs(onset_s - flash_s) <= 0.040
    assert flash_s == pytest.approx(102 * 0.02, abs=0.002)


async def test_the_user_is_recorded_as_heard(tmp_path: Path) -> None:
    call = Call(tmp_path / "a.capture", asked_before=True)
    async with call.recorded:
        call.room.say(np.full(3 * INPUT_TICK, 700, np.int16))
        microphone = asyncio.create_task(call.room.run_microphone())
        chunks = call.recorded.audio_in()
        heard = [await anext(chunks) for _ in range(4)]
        microphone.cancel()
    pieces = list(read_pieces(tmp_path / "a.capture"))
    assert [piece.at_us for piece in pieces] == [chunk.capture_us for chunk in heard[:3]]
    assert {len(piece.data) for piece in pieces} == {2 * INPUT_TICK}


async def test_where_the_user_draws_pictures_are_for_the_recording_only(
    tmp_path: Path, reading: list
) -> None:
    call = Call(tmp_path / "a.capture")
    call.room.takes_poses = True
    async with call.recorded:
        reading.append(asyncio.create_task(call.read_messages()))
        assert call.recorded.push_pose(b"1"), "nobody needs a picture"
        await call.answer({"granted": True})
        assert not call.recorded.push_pose(b"2"), "the recording needs one"
        call.show(keyframe=True)
        assert call.room.seen == []
        asked = call.keyframes
        call.room.takes_poses = False
        assert not call.recorded.push_pose(b"3")
        assert call.keyframes == asked + 1
        call.show(keyframe=True, at_us=40_000)
        assert len(call.room.seen) == 1
    assert call.kinds() == [Kind.KEY_PICTURE, Kind.KEY_PICTURE]
    assert call.room.posed == [b"1", b"2"]
