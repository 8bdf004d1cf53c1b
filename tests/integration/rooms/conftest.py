"""A real user for the room tests: an aiortc peer that talks, listens and watches."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from visavis.media import OUTPUT_TICK, EncodedVideo, now_us
from visavis.rooms.base import WebRtcRoom
from visavis.rooms.webrtc import open_room

SIZE = (160, 128)
TONE = (8000 * np.sin(2 * np.pi * 500 * np.arange(OUTPUT_TICK) / 48_000)).astype(np.int16)


class Voice(MediaStreamTrack):
    """The user's microphone: a 500 Hz tone while ``talking``, else digital silence."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.talking = False
        self._sent = 0
        self._start = time.monotonic()

    async def recv(self) -> av.AudioFrame:
        await asyncio.sleep(max(0.0, self._start + self._sent * 0.02 - time.monotonic()))
        frame = av.AudioFrame(format="s16", layout="mono", samples=OUTPUT_TICK)
        frame.planes[0].update((TONE if self.talking else np.zeros_like(TONE)).tobytes())
        frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
        frame.pts = self._sent * OUTPUT_TICK
        self._sent += 1
        return frame


@dataclass
class User:
    """Joins with the SmallWebRTC client's sections: audio, video, screen, data channel."""

    pc: RTCPeerConnection = field(default_factory=RTCPeerConnection)
    voice: Voice = field(default_factory=Voice)
    sound: list[av.AudioFrame] = field(default_factory=list)
    pictures: list[av.VideoFrame] = field(default_factory=list)
    texts: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def offer(self) -> str:
        self.pc.addTransceiver(self.voice, direction="sendrecv")
        self.pc.addTransceiver("video", direction="sendrecv")
        self.pc.addTransceiver("video", direction="sendonly")
        self.channel = self.pc.createDataChannel("chat")
        self.channel.on("open", self.opened.set)
        self.channel.on("message", self.texts.put_nowait)
        self.pc.on("track", self._follow)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def join(self, room: WebRtcRoom) -> None:
        answer = await room.answer(await self.offer())
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(15):
            await asyncio.gather(room.connect(), self.opened.wait())

    def _follow(self, track: MediaStreamTrack) -> None:
        frames = self.sound if track.kind == "audio" else self.pictures
        self.tasks.append(asyncio.create_task(self._collect(track, frames)))

    async def _collect(self, track: MediaStreamTrack, frames: list[object]) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frames.append(await track.recv())

    async def ask_key_frame(self) -> None:
        for receiver in self.pc.getReceivers():
            if receiver.track is not None and receiver.track.kind == "video":
                for source in receiver.getSynchronizationSources():
                    await receiver._send_rtcp_pli(source.source)

    def vanish(self) -> None:
        """Pull the plug: no goodbye on any layer."""
        for transceiver in self.pc.getTransceivers():
            ice = transceiver.receiver.transport.transport
            for protocol in ice._connection._protocols:
                protocol.transport.abort()

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        async with asyncio.timeout(5):
            await self.pc.close()


@dataclass
class Show:
    """What the room sends: a tone and a picture that brightens, on one clock."""

    room: WebRtcRoom
    stalled: bool = False
    keyframes_asked: int = 0
    keyframes_sent: int = 0
    frames_sent: int = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._obey())
            tasks.create_task(self._play())

    async def _obey(self) -> None:
        async for feedback in self.room.feedback():
            self.keyframes_asked += type(feedback).__name__ == "KeyFrameRequest"

    async def _play(self) -> None:
        encoder, start, answered = _encoder(), now_us(), 0
        for tick in range(1_000_000):
            at = start + tick * 20_000
            if not self.stalled:
                self.room.push_audio(TONE, at)
            if tick % 2 == 0 and not self.stalled:
                key = self.keyframes_asked > answered
                answered = self.keyframes_asked
                packet = _encode(encoder, self.frames_sent, key)
                self.room.push_video(packet, at)
                self.frames_sent += 1
                self.keyframes_sent += packet.keyframe
            await asyncio.sleep(max(0.0, (at + 20_000 - now_us()) / 1e6))


def _encoder() -> av.VideoCodecContext:
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height = SIZE
    encoder.pix_fmt, encoder.time_base, encoder.gop_size = "yuv420p", Fraction(1, 25), 9999
    encoder.bit_rate = 200_000
    encoder.options = {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0"}
    return encoder


def _encode(encoder: av.VideoCodecContext, n: int, key: bool) -> EncodedVideo:
    width, height = SIZE
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = 40 + 4 * (n % 40)
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts = n
    if key:
        frame.pict_type = av.video.frame.PictureType.I
    packets = encoder.encode(frame)
    data = b"".join(bytes(packet) for packet in packets)
    return EncodedVideo(data, any(p.is_keyframe for p in packets), width, height)


@pytest.fixture(params=["reactor", "aiortc"])
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def room(engine: str) -> AsyncIterator[WebRtcRoom]:
    room = open_room(engine=engine, ice_servers=(), size=SIZE, lost_after_s=4.0)
    yield room
    await room.close()


@pytest.fixture
async def user() -> AsyncIterator[User]:
    user = User()
    yield user
    await user.leave()


@pytest.fixture
async def call(room: WebRtcRoom, user: User) -> AsyncIterator[tuple[WebRtcRoom, User, Show]]:
    """A user who has joined and is shown something."""
    await user.join(room)
    show = Show(room)
    playing = asyncio.create_task(show.run())
    yield room, user, show
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    async def wait(condition: Callable[[], bool], timeout_s: float = 8.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - frames come without an event
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
def call_types() -> tuple[type[User], type[Show]]:
    return User, Show
