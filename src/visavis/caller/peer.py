"""The caller's end of the WebRTC connection: a microphone, an ear, an eye and a data channel.

aiortc receives because it keeps RTP timestamps and sender reports within reach, which a library
that plays media hides behind its lip-sync. One call costs it about a tenth of a core.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiortc
import av
import numpy as np
from aiortc.mediastreams import MediaStreamError

from visavis.caller.microphone import Microphone
from visavis.caller.rtp_clock import ArrivalClock, CaptureClock, Unwrapper
from visavis.media import OUTPUT_RATE, Pcm
from visavis.rooms import rtvi
from visavis.rooms.rtvi import RtviError, RtviMessage

_VIDEO_RATE = 90_000
_CONNECT_S = 20.0
_PING_S = 1.0
_UNDECODED = 512
"""Frames whose arrival is remembered until they are decoded."""


_PEER_LEFT = {"type": "signalling", "message": {"type": "peerLeft"}}


class ConnectError(Exception):
    """No media connection could be made."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of the agent's sound: mono s16 at 48 kHz. Times as in ``Received``."""

    pcm: Pcm = field(repr=False)
    received: "Received"


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame of the agent's video."""

    frame: av.VideoFrame = field(repr=False)
    received: "Received"


@dataclass(frozen=True, slots=True)
class Received:
    """When something came: unwrapped RTP time, its last packet's arrival, its steady place."""

    timestamp: int
    arrived_s: float
    at_s: float


class Inbound:
    """One received stream: its frames with their times, and its sender's clock."""

    def __init__(self, receiver: aiortc.RTCRtpReceiver, rate: int) -> None:
        self.capture = CaptureClock(rate)
        self._receiver: Any = receiver
        self._arrival = ArrivalClock(rate)
        self._unwrapper = Unwrapper()
        self._arrivals: dict[int, float] = {}
        self._tap()

    async def frames(self) -> AsyncIterator[tuple[Any, Received]]:
        """Decoded frames until the stream ends."""
        while True:
            try:
                frame = await self._receiver.track.recv()
            except MediaStreamError:
                return
            yield frame, self._received(frame)

    def _received(self, frame: Any) -> Received:
        # aiortc counts pts from the first frame; its mapper still knows where that was.
        mapper = self._receiver._RTCRtpReceiver__timestamp_mapper
        raw = (frame.pts + mapper._origin) % (1 << 32)
        arrived_s = self._arrivals.pop(raw, None) or time.monotonic()
        timestamp = self._unwrapper.unwrap(raw)
        return Received(timestamp, arrived_s, self._arrival.place(timestamp, arrived_s))

    def _tap(self) -> None:
        """Note arrivals and sender reports, which aiortc takes in but does not give out."""
        receiver = self._receiver
        take_rtp, take_rtcp = receiver._handle_rtp_packet, receiver._handle_rtcp_packet

        async def rtp(packet: Any, arrival_time_ms: int) -> None:
            self._arrivals[packet.timestamp] = time.monotonic()
            if len(self._arrivals) > _UNDECODED:
                del self._arrivals[next(iter(self._arrivals))]
            await take_rtp(packet, arrival_time_ms=arrival_time_ms)

        async def rtcp(packet: Any) -> None:
            sender = getattr(packet, "sender_info", None)
            if sender is not None:
                timestamp = self._unwrapper.unwrap(sender.rtp_timestamp)
                self.capture.report(timestamp, sender.ntp_timestamp)
            await take_rtcp(packet)

        receiver._handle_rtp_packet = rtp
        receiver._handle_rtcp_packet = rtcp


class Peer:
    """An offering peer. ``connect`` once, read the streams, ``close``."""

    def __init__(self, ice_servers: list[dict[str, Any]]) -> None:
        servers = [aiortc.RTCIceServer(**server) for server in ice_servers]
        self._pc = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=servers))
        self._channel = self._pc.createDataChannel("chat", ordered=True)
        self._connected = asyncio.Event()
        self._gone = asyncio.Event()
        self._messages: asyncio.Queue[RtviMessage] = asyncio.Queue(maxsize=1000)
        self.microphone = Microphone()
        sound = self._pc.addTransceiver(self.microphone, direction="sendrecv")
        sight = self._pc.addTransceiver("video", direction="recvonly")
        self._sound = Inbound(sound.receiver, OUTPUT_RATE)
        self._sight = Inbound(sight.receiver, _VIDEO_RATE)
        self._pc.on("connectionstatechange", self._on_state)
        self._channel.on("open", self._connected.set)
        self._channel.on("close", self._on_gone)
        self._channel.on("message", self._on_message)

    @property
    def sound_clock(self) -> CaptureClock:
        return self._sound.capture

    @property
    def sight_clock(self) -> CaptureClock:
        return self._sight.capture

    async def connect(self, exchange: Callable[[str], Awaitable[str]]) -> None:
        """Send the offer through ``exchange``, take its answer, and wait until data flows.

        Raises:
            ConnectError: no connection within 20 s.
        """
        await self._pc.setLocalDescription(await self._pc.createOffer())
        answer = await exchange(self._pc.localDescription.sdp)
        await self._pc.setRemoteDescription(aiortc.RTCSessionDescription(answer, "answer"))
        try:
            await asyncio.wait_for(self._connected.wait(), _CONNECT_S)
        except TimeoutError:
            raise ConnectError(
                f"No connection within {_CONNECT_S:.0f} s ({self._pc.connectionState}): "
                "is UDP between here and the server blocked?"
            ) from None

    async def sounds(self) -> AsyncIterator[Sound]:
        """What is heard, until the connection ends."""
        async for frame, received in self._sound.frames():
            channels = len(frame.layout.channels)
            pcm = frame.to_ndarray().reshape(-1, channels)[:, 0]
            yield Sound(np.ascontiguousarray(pcm), received)

    async def pictures(self) -> AsyncIterator[Picture]:
        """What is seen, until the connection ends."""
        async for frame, received in self._sight.frames():
            yield Picture(frame, received)

    async def messages(self) -> AsyncIterator[RtviMessage]:
        """RTVI messages, until cancelled."""
        while True:
            yield await self._messages.get()

    def send(self, message: RtviMessage) -> None:
        """Send an RTVI message; dropped once the channel is closed."""
        if self._channel.readyState == "open":
            self._channel.send(rtvi.encode(message))

    async def keep_alive(self) -> None:
        """Say every second that we are here, as the SmallWebRTC transport does; until it ends."""
        while not self._gone.is_set() and self._channel.readyState == "open":
            self._channel.send(f"ping: {int(time.time() * 1000)}")
            await asyncio.sleep(_PING_S)

    async def gone(self) -> None:
        """Wait until the other side has ended the connection."""
        await self._gone.wait()

    async def close(self) -> None:
        self._channel.close()
        await self._pc.close()

    def _on_state(self) -> None:
        if self._pc.connectionState in ("failed", "closed"):
            self._on_gone()

    def _on_gone(self) -> None:
        self._gone.set()
        self.microphone.hang_up()

    def _on_message(self, raw: str | bytes) -> None:
        """RTVI, or SmallWebRTC's own signalling, which travels on the same channel."""
        text = raw if isinstance(raw, str) else raw.decode(errors="replace")
        try:
            body = rtvi.parse_json(text)
            if body == _PEER_LEFT:
                return self._on_gone()
            message = rtvi.from_object(body)
        except RtviError:
            return
        if not self._messages.full():
            self._messages.put_nowait(message)
