"""A peer connection on aiortc: the fallback where libwebrtc has no wheel. Pure Python.

It has no bandwidth estimation of its own (REMB is passed on when the receiver sends it) and no
UDP port range; everything else behaves as the room expects.
"""

import asyncio
import contextlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias, cast

import av
import structlog
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    unpack_remb_fci,
)
from aiortc.sdp import candidate_from_sdp
from aiortc.stats import RTCTransportStats

from visavis.media import OUTPUT_RATE, EncodedVideo, Pcm
from visavis.rooms.base import IceCandidate, KeyFrameRequest, RateUpdate, RoomError
from visavis.rooms.peer import (
    MAX_BUFFERED_BYTES,
    MAX_BUFFERED_POSES,
    POSE_CHANNEL,
    PeerListener,
    PeerOptions,
)

log = structlog.stdlib.get_logger("visavis.rooms")

_AUDIO_CLOCK = Fraction(1, OUTPUT_RATE)
_VIDEO_CLOCK = Fraction(1, 90_000)
_CLOSE_S = 5.0


Piece: TypeAlias = "av.AudioFrame | av.Packet[Any]"


class _Outgoing(MediaStreamTrack):
    """What we send: the newest few pieces, waiting for aiortc to take them."""

    def __init__(self, kind: str, capacity: int) -> None:
        self.kind = kind
        super().__init__()
        self._queue: asyncio.Queue[Piece] = asyncio.Queue(capacity)

    def put(self, piece: Piece) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(piece)

    async def recv(self) -> Piece:
        if self.readyState != "live":
            raise MediaStreamError
        return await self._queue.get()


class AiortcPeer:
    def __init__(self, options: PeerOptions, listener: PeerListener) -> None:
        if options.udp_ports is not None:
            raise RoomError("udp_ports_unsupported", "aiortc cannot be held to a UDP port range.")
        self._loop = asyncio.get_running_loop()
        self._listener: PeerListener | None = listener
        self._origin_us: int | None = None
        self._samples = 0
        self._channel: RTCDataChannel | None = None
        self._poses: RTCDataChannel | None = None
        self._listening: asyncio.Task[None] | None = None
        self._audio = _Outgoing("audio", 10)
        self._video = _Outgoing("video", 3)
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=_ice_servers(options)))
        self._pc.addTrack(self._audio)
        _watch_rtcp(self._pc.addTrack(self._video), self._feedback)
        self._pc.on("connectionstatechange", self._connection_changed)
        self._pc.on("datachannel", self._channel_offered)
        self._pc.on("track", self._track_offered)

    @property
    def reachable(self) -> bool:
        return False  # aiortc notices after 30 s; only what is received counts

    def _connection_changed(self) -> None:
        if self._listener is None:
            return
        if self._pc.connectionState == "connected":
            self._listener.on_connected()
        elif self._pc.connectionState == "closed":
            self._listener.on_channel_closed()  # DTLS goodbye

    def _channel_offered(self, channel: RTCDataChannel) -> None:
        if channel.label == POSE_CHANNEL:
            self._poses = channel  # the newest counts: a page may open it again
            return
        if self._channel is not None:
            return  # one is all that the protocol has
        self._channel = channel
        channel.on("message", self._message)
        channel.on("close", self._channel_closed)
        if self._listener:
            self._listener.on_channel_open()

    def _channel_closed(self) -> None:
        if self._listener:
            self._listener.on_channel_closed()

    def _message(self, data: str | bytes) -> None:
        if self._listener and isinstance(data, str):
            self._listener.on_text(data)

    def _feedback(self, feedback: KeyFrameRequest | RateUpdate) -> None:
        if self._listener:
            self._listener.on_feedback(feedback)

    def _track_offered(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._listening is None:
            self._listening = self._loop.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = cast(av.AudioFrame, await _receive(track))
                channels = frame.layout.nb_channels
                pcm = bytes(frame.planes[0])[: frame.samples * 2 * channels]
                if self._listener:
                    self._listener.on_sound(pcm, frame.sample_rate, channels)

    async def answer(self, offer: str) -> str:
        await self._pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        for transceiver in self._pc.getTransceivers():
            if transceiver.sender.track is self._video:
                transceiver.direction = "sendonly"
            elif transceiver.sender.track is not self._audio:
                transceiver.direction = "inactive"
        answer = await self._pc.createAnswer()
        await self._pc.setLocalDescription(answer)  # gathers all candidates
        return self._pc.localDescription.sdp

    async def add_candidate(self, candidate: IceCandidate) -> None:
        parsed = candidate_from_sdp(candidate.candidate.removeprefix("candidate:"))
        parsed.sdpMid, parsed.sdpMLineIndex = candidate.sdp_mid, candidate.sdp_mline_index
        await self._pc.addIceCandidate(parsed)

    def push_audio(self, pcm: Pcm, capture_us: int) -> None:
        self._post(self._queue_audio, pcm.tobytes(), capture_us)

    def push_video(self, packet: EncodedVideo, capture_us: int) -> None:
        self._post(self._queue_video, packet.data, capture_us)

    def push_pose(self, data: bytes) -> bool:
        channel = self._poses
        if channel is None or channel.readyState != "open":
            return False
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._send_pose, channel, data)
        return True

    def _send_pose(self, channel: RTCDataChannel, data: bytes) -> None:
        if channel.readyState == "open" and channel.bufferedAmount < MAX_BUFFERED_POSES:
            channel.send(data)

    def _post(self, callback: Callable[[bytes, int], None], data: bytes, capture_us: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(callback, data, capture_us)

    def _elapsed_us(self, capture_us: int) -> int:
        """Both tracks' RTP time starts at the first capture time of either."""
        if self._origin_us is None:
            self._origin_us = capture_us
        return capture_us - self._origin_us

    def _queue_audio(self, pcm: bytes, capture_us: int) -> None:
        samples = len(pcm) // 2
        position = self._elapsed_us(capture_us) * OUTPUT_RATE // 1_000_000
        # RTP audio time counts samples; only a real gap moves it.
        if abs(position - self._samples) > samples:
            self._samples = position
        frame = av.AudioFrame(format="s16", layout="mono", samples=samples)
        frame.planes[0].update(pcm)
        frame.sample_rate, frame.time_base, frame.pts = OUTPUT_RATE, _AUDIO_CLOCK, self._samples
        self._samples += samples
        self._audio.put(frame)

    def _queue_video(self, data: bytes, capture_us: int) -> None:
        packet = av.Packet(data)
        packet.time_base, packet.pts = _VIDEO_CLOCK, self._elapsed_us(capture_us) * 9 // 100
        self._video.put(packet)

    def send(self, text: str) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return
        if channel.bufferedAmount < MAX_BUFFERED_BYTES:
            channel.send(text)

    async def flush(self, timeout_s: float) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open" or not channel.bufferedAmount:
            return
        low = asyncio.Event()
        channel.on("bufferedamountlow", low.set)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(low.wait(), timeout_s)

    async def bytes_received(self) -> int:
        report = await self._pc.getStats()
        parts = cast("dict[str, object]", report).values()
        return sum(part.bytesReceived for part in parts if isinstance(part, RTCTransportStats))

    async def close(self) -> None:
        if self._listener is None:
            return
        self._listener = None
        self._pc.remove_all_listeners()
        if self._channel is not None:
            self._channel.remove_all_listeners()
        # Neither a stuck goodbye nor a half-made negotiation, which aiortc cannot close, may keep
        # the session from ending.
        try:
            await asyncio.wait_for(self._pc.close(), _CLOSE_S)
        except Exception as error:  # noqa: BLE001
            log.warning("aiortc_close_failed", error=repr(error))
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)


async def _receive(track: MediaStreamTrack) -> object:
    return await track.recv()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _ice_servers(options: PeerOptions) -> list[RTCIceServer]:
    return [
        RTCIceServer(list(server.urls), server.username, server.credential)
        for server in options.ice_servers
    ]


def _watch_rtcp(
    sender: RTCRtpSender, report: Callable[[KeyFrameRequest | RateUpdate], None]
) -> None:
    """Report what the receiver asks of the encoder, which aiortc keeps to itself."""
    handle = sender._handle_rtcp_packet  # pyright: ignore[reportPrivateUsage]

    async def watched(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpPsfbPacket):
            if packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
                report(KeyFrameRequest())
            elif packet.fmt == RTCP_PSFB_APP:
                with contextlib.suppress(ValueError):
                    report(RateUpdate(int(unpack_remb_fci(packet.fci)[0])))
        await handle(packet)

    sender._handle_rtcp_packet = watched  # pyright: ignore[reportPrivateUsage]
