"""Our face for another's agent: a real socket, a real process, pictures that are decoded."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from visavis.avatar.backends.base import AudioPiece, BackendError, Frame
from visavis.avatar.backends.live_avatar import AvatarStream, StreamBackend
from visavis.avatar.backends.stream_wire import PATH, Picture


def vowels(seconds: float, rate: int) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * 120 * n * t) / n for n in range(1, 12))
    return (buzz * (0.5 - 0.5 * np.cos(2 * np.pi * 4 * t)) * 6000).astype("<i2")


def b64(pcm: np.ndarray) -> str:
    return base64.b64encode(pcm.tobytes()).decode()


class Caller:
    """Keeps all that the stream sent."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.pictures: list[Picture] = []
        self.said: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            try:
                message = await self.socket.recv()
            except ConnectionClosed:
                break
            if isinstance(message, bytes):
                self.pictures.append(Picture.unpack(message))
            else:
                self.said.append(json.loads(message))
            self._news.set()
        self.said.append({"type": "hung up"})
        self._news.set()

    async def tell(self, type_: str, **more: object) -> None:
        await self.socket.send(json.dumps({"type": type_, **more}))

    async def until(self, condition: Callable[[], object]) -> Any:
        async with asyncio.timeout(60):
            while not (found := condition()):
                self._news.clear()
                await self._news.wait()
        return found

    async def heard(self, type_: str, **members: object) -> dict[str, Any]:
        """The first message of this kind, taken out."""

        def found() -> dict[str, Any] | None:
            for said in self.said:
                if said["type"] == type_ and members.items() <= said.items():
                    self.said.remove(said)
                    return said
            return None

        return await self.until(found)

    def spoken(self, utterance: int) -> list[Picture]:
        return [p for p in self.pictures if p.position_us is not None and p.utterance == utterance]


def address(url: str, query: str = "?width=384&height=384") -> str:
    return url.replace("http://", "ws://") + PATH + query


@asynccontextmanager
async def calling(url: str, query: str = "?width=384&height=384") -> AsyncIterator[Caller]:
    async with connect(address(url, query)) as socket:
        caller = Caller(socket)
        await caller.heard("session.state_updated", state="connected")
        yield caller


async def test_sound_in_pictures_out_on_the_clock_of_the_sound(open_door):
    house = await open_door()
    async with calling(house.url) as caller:
        await caller.until(lambda: len(caller.pictures) > 4)
        assert caller.pictures[0].keyframe
        assert {p.position_us for p in caller.pictures} == {None}, "silent so far"

        sound = vowels(1.4, 24_000)
        await caller.tell("agent.speak", event_id="hello", audio=b64(sound[:24_000]))
        await caller.socket.send(sound[24_000:].tobytes())  # the rest as it is
        await caller.tell("agent.speak_end", event_id="hello")
        started = await caller.heard("agent.speak_started")
        ended = await caller.heard("agent.speak_ended")
        assert (started["event_id"], ended["event_id"]) == ("hello", "hello")
        assert (ended["interrupted"], ended["position_s"]) == (False, pytest.approx(1.4, abs=0.02))

        spoken = caller.spoken(started["utterance"])
        positions = np.array([p.position_us for p in spoken]) / 1e6
        assert len(spoken) >= 15, "1.4 s are 35 pictures; a busy machine may leave some out"
        assert positions[0] < 0.4
        steps = np.array([p.pts_us for p in spoken]) / 1e6 - positions
        assert np.ptp(steps) < 0.001, "both clocks run as one"
        assert started["pts_us"] == spoken[0].pts_us
        pts = [p.pts_us for p in caller.pictures]
        assert pts == sorted(pts)
        assert mouth_moves(caller.pictures, spoken) > 0.3


def mouth_moves(pictures: list[Picture], spoken: list[Picture]) -> float:
    """How much the lower face changes from one spoken picture to the next, in grey levels."""
    decoder: Any = VideoCodecContext.create("vp8", "r")
    before, moved = None, []
    for picture in pictures:
        (frame,) = decoder.decode(av.Packet(picture.data))
        assert (frame.width, frame.height) == (384, 384)
        lower = frame.to_ndarray(format="yuv420p")[240:310, 120:264].astype(int)
        if before is not None and picture in spoken:
            moved.append(np.abs(lower - before).mean())
        before = lower
    return float(np.median(moved))


async def test_an_interruption_is_answered_for_everything_that_waited(open_door):
    house = await open_door()
    async with calling(house.url, "?sample_rate=16000&width=384&height=384") as caller:
        for name in ("one", "two"):
            await caller.tell("agent.speak", event_id=name, audio=b64(vowels(3, 16_000)))
            await caller.tell("agent.speak_end", event_id=name)
        await caller.until(lambda: len(caller.spoken(1)) >= 8)
        await caller.tell("agent.interrupt")
        one = await caller.heard("agent.speak_ended", event_id="one")
        two = await caller.heard("agent.speak_ended", event_id="two")
        assert one["interrupted"]
        assert 0.2 < one["position_s"] < 3
        assert (two["interrupted"], two["position_s"]) == (True, 0)
        count = len(caller.pictures)
        await caller.until(lambda: len(caller.pictures) > count + 5)
        assert caller.spoken(2) == []
        assert caller.pictures[-1].position_us is None

        await caller.tell("agent.speak", event_id="three", audio=b64(vowels(0.3, 16_000)))
        await caller.tell("agent.speak", event_id="four", audio=b64(vowels(0.3, 16_000)))
        await caller.tell("agent.speak_end")
        for name in ("three", "four"):
            ended = await caller.heard("agent.speak_ended", event_id=name)
            assert not ended["interrupted"], "a new event id ends the utterance before it"


WRONG = [
    ("hello", "bad_json", "JSON"),
    ("[1, 2]", "invalid_request", ""),
    ("{}", "invalid_request", "type"),
    ('{"type": "agent.dance"}', "invalid_request", "agent.dance"),
    ('{"type": "agent.speak"}', "invalid_request", "required"),
    ('{"type": "agent.speak", "audio": "!!!"}', "audio_invalid", "base64"),
    ('{"type": "agent.speak", "audio": ""}', "audio_invalid", "samples"),
    ('{"type": "agent.speak", "audio": "AAAA"}', "audio_invalid", "samples"),
    ('{"type": "agent.speak_end", "event_id": "no"}', "invalid_request", "No such"),
    ('{"type": "agent.interrupt", "event_id": "no"}', "invalid_request", "No such"),
    ('{"type": "agent.emotion", "emotion": "hungry"}', "invalid_request", ""),
    ('{"type": "agent.state", "state": "speaking"}', "invalid_request", ""),
    ('{"type": "agent.speak", "audio": "' + "A" * 1_500_000 + '"}', "audio_invalid", "hold"),
    (b"\x00", "audio_invalid", "samples"),
    (b"", "audio_invalid", "samples"),
    (bytes(1024 * 1024 + 2), "audio_invalid", "hold"),
    ("[" * 500, "bad_json", "nested"),
]


async def test_whatever_is_wrong_is_said_and_the_stream_goes_on(open_door):
    house = await open_door()
    async with calling(house.url) as caller:
        for message, code, words in WRONG:
            await caller.socket.send(message)
            problem = await caller.heard("error")
            assert (problem["code"], problem["fatal"]) == (code, False), message[:80]
            assert words.lower() in (problem["detail"] + str(problem.get("field", ""))).lower()
        await names_the_event(caller)
        await obeys_all_the_rest(caller)
        await refuses_too_much(caller)


async def names_the_event(caller: Caller):
    await caller.tell("agent.speak", event_id="e-1", audio="?")
    assert (await caller.heard("error"))["event_id"] == "e-1"


async def refuses_too_much(caller: Caller):
    second = b64(vowels(20, 24_000))
    for _ in range(8):
        await caller.tell("agent.speak", event_id="long", audio=second)
    problem = await caller.heard("error", code="audio_backlog")
    assert problem["event_id"] == "long"
    await caller.tell("agent.interrupt")
    assert (await caller.heard("agent.speak_ended", event_id="long"))["interrupted"]


async def obeys_all_the_rest(caller: Caller):
    await caller.tell("agent.emotion", emotion="happy", intensity=0.8)
    for name in ("agent.start_listening", "agent.stop_listening", "session.keep_alive"):
        await caller.tell(name)
    await caller.tell("agent.state", state="thinking")
    count = len(caller.pictures)
    await caller.tell("video.keyframe")
    await caller.until(lambda: any(p.keyframe for p in caller.pictures[count:]))
    assert [said for said in caller.said if said["type"] == "error"] == []


NOT_HERE = [
    ("?character_id=nobody", 404, "character_not_found"),
    ("?character_id=../../etc/passwd", 422, "invalid_request"),
    ("?width=100", 422, "invalid_request"),
    ("?width=386", 422, "invalid_request"),
    ("?sample_rate=44100", 422, "invalid_request"),
]


async def test_what_is_not_here_is_refused_before_it_opens(open_door):
    house = await open_door()
    for query, status, code in NOT_HERE:
        with pytest.raises(InvalidStatus) as caught:
            await connect(address(house.url, query))
        response = caught.value.response
        assert (response.status_code, json.loads(response.body or b"")["code"]) == (status, code)


async def test_strangers_need_a_key_that_may(open_door):
    house = await open_door(require_key=True)
    with pytest.raises(InvalidStatus) as caught:
        await connect(address(house.url))
    assert json.loads(caught.value.response.body or b"")["code"] == "key_missing"
    with pytest.raises(InvalidStatus) as caught:
        await connect(address(house.url), additional_headers={"Authorization": "Bearer vv_no"})
    assert caught.value.response.status_code == 401


async def test_another_visavis_can_wear_the_face(open_door):
    """Our client against our server: the backend's contract over the socket."""
    house = await open_door(avatar_streams=1)
    backend = StreamBackend("far", house.url.replace("http", "ws") + PATH, "")
    assert (await backend.probe()).ok
    stream = await backend.open("ava", (384, 384))
    assert isinstance(stream, AvatarStream)
    frames: list[Frame] = []
    seen = asyncio.Event()

    async def read() -> None:
        async for frame in stream.frames():
            frames.append(frame)
            seen.set()

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                seen.clear()
                await seen.wait()

    reader = asyncio.create_task(read())
    await until(lambda: len(frames) > 3)
    assert frames[0].position_s is None
    await stream.push_audio(AudioPiece(7, 0.0, vowels(1.0, 24_000)))
    await stream.end_of_speech(7)
    await until(lambda: any((f.position_s or 0) > 0.5 and f.turn_id == 7 for f in frames))
    await stream.push_audio(AudioPiece(8, 0.0, vowels(5.0, 24_000)))
    await until(lambda: any(f.turn_id == 8 for f in frames))
    await stream.clear(8)
    count = len(frames)
    await until(lambda: len(frames) > count + 5)
    assert all(f.turn_id != 8 for f in frames[count + 1 :])

    with pytest.raises(BackendError, match="no more"):
        await backend.open("ava", (384, 384))
    reader.cancel()
    await stream.close()
