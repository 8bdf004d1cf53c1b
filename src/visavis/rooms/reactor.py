"""A peer connection on libwebrtc (reactor-webrtc), fed with packets that are already encoded.

Rules of this engine, each of them measured: the factory must outlive everything made from it;
``push_pcm`` takes 10 ms and silently drops anything else; callbacks run on libwebrtc's threads
and may only hop to the loop; there is no close, so references are dropped, off the loop since
destructors block; received silence is not delivered (the room fills it in).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import TypeVarTuple, Unpack

import reactor_webrtc as rw

from visavis.media import OUTPUT_RATE, EncodedVideo, Pcm, video_bps
from visavis.rooms.base import IceCandidate, KeyFrameRequest, RateUpdate
from visavis.rooms.peer import (
    MAX_BUFFERED_BYTES,
    MAX_BUFFERED_POSES,
    POSE_CHANNEL,
    PeerListener,
    PeerOptions,
)
from visavis.rooms.priority import drop_realtime_priority
from visavis.rooms.sdp import with_candidates

Args = TypeVarTuple("Args")

_PUSH_MS = 10
_PUSH_US = _PUSH_MS * 1000
_PUSH_SAMPLES = OUTPUT_RATE * _PUSH_MS // 1000
_SILENCE = bytes(2 * _PUSH_SAMPLES)
_GAP_US = 40_000
"""Less than this is jitter in the capture times; filling it would chop the sound."""
_MAX_GAP_US = 1_000_000
_WAITING_TEXTS = 256
_GATHERING_S = 3.0
_MIN_BPS, _SOUND_BPS = 100_000, 100_000
_MOST = 4 / 3
"""Of what the picture is worth: beyond that a talking head gains nothing."""

_factory: rw.PeerConnectionFactory | None = None


def _shared_factory() -> rw.PeerConnectionFactory:
    """The process's one factory, kept for good: freeing it under a live object crashes."""
    global _factory
    if _factory is None:
        drop_realtime_priority()
        builder = rw.PeerConnectionFactoryBuilder()
        builder.with_metadata(False)
        _factory = builder.build()
    return _factory


class ReactorPeer:
    def __init__(self, options: PeerOptions, listener: PeerListener) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener: PeerListener | None = listener
        self._options = options
        self._gathered = asyncio.Event()
        self._candidates: list[IceCandidate] = []
        self._state = rw.PeerConnectionState.New
        self._audio_due_us: int | None = None
        self._channel: rw.DataChannel | None = None
        self._poses: rw.DataChannel | None = None
        self._texts: deque[bytes] = deque(maxlen=_WAITING_TEXTS)
        self._video_sender: rw.Transceiver | None = None
        self._audio_mid: str | None = None
        self._video_mid: str | None = None
        self._heard: list[rw.Track] = []
        factory = _shared_factory()
        self._audio: rw.Track | None = factory.create_audio_track_with_local_source("voice")
        self._video: rw.EncodedVideoTrack | None = _encoded_track(factory, options.size)
        self._video.on_encoder_feedback(self._on_encoder_feedback)
        self._observer = self._observe()
        self._pc: rw.PeerConnection | None = factory.create_peer_connection(
            _configuration(options), self._observer
        )

    @property
    def reachable(self) -> bool:
        return self._state == rw.PeerConnectionState.Connected

    # -- libwebrtc's threads: one hop to the loop, nothing else

    def _observe(self) -> rw.PeerConnectionObserver:
        observer = rw.PeerConnectionObserver()
        observer.on_connection_state_change = lambda s: self._post(self._connection_changed, s)
        observer.on_ice_candidate = lambda c: self._post(
            self._candidates.append, IceCandidate(c.candidate, c.sdp_mid, c.sdp_mline_index)
        )
        observer.on_ice_gathering_change = lambda s: self._post(self._gathering_changed, s)
        observer.on_track = self._on_track
        observer.on_data_channel = self._on_data_channel
        return observer

    def _post(self, callback: Callable[[Unpack[Args]], object], *args: *Args) -> None:
        # The loop may already be closed when the last callbacks of a dying connection come.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)

    def _on_track(self, kind: rw.MediaKind, track: rw.Track) -> None:
        if kind == rw.MediaKind.Audio and not self._heard:
            self._heard.append(track)
            track.on_audio_frame(lambda pcm, rate, ch, _: self._post(self._sound, pcm, rate, ch))

    def _on_data_channel(self, channel: rw.DataChannel) -> None:
        if channel.label() == POSE_CHANNEL:
            self._poses = channel  # the newest counts: a page may open it again
            return
        if self._channel is not None:
            return  # one is all that the protocol has
        self._channel = channel
        channel.on_message(self._on_message)
        channel.on_close(lambda: self._post(self._channel_closed))
        channel.on_open(lambda: self._post(self._channel_opened))
        if channel.state() == rw.DataChannelState.Open:
            self._post(self._channel_opened)

    def _on_message(self, data: bytes, binary: bool) -> None:
        if binary:
            return
        # A flood must not queue up in the loop: at most one wake-up and a few messages wait.
        self._texts.append(data)
        if len(self._texts) == 1:
            self._post(self._read_texts)

    def _on_encoder_feedback(self, feedback: rw.KeyFrameRequest | rw.RateUpdate) -> None:
        if isinstance(feedback, rw.RateUpdate):
            self._post(self._feedback, RateUpdate(int(feedback.bitrate_bps)))
        else:
            self._post(self._feedback, KeyFrameRequest())

    # -- the loop

    def _connection_changed(self, state: rw.PeerConnectionState) -> None:
        self._state = state
        if state == rw.PeerConnectionState.Connected and self._listener:
            self._listener.on_connected()

    def _gathering_changed(self, state: rw.IceGatheringState) -> None:
        if state == rw.IceGatheringState.Complete:
            self._gathered.set()

    def _sound(self, pcm: bytes, rate: int, channels: int) -> None:
        if self._listener:
            self._listener.on_sound(pcm, rate, channels)

    def _read_texts(self) -> None:
        while self._texts:
            text = self._texts.popleft().decode(errors="replace")
            if self._listener:
                self._listener.on_text(text)

    def _channel_opened(self) -> None:
        if self._listener:
            self._listener.on_channel_open()

    def _channel_closed(self) -> None:
        if self._listener:
            self._listener.on_channel_closed()

    def _feedback(self, feedback: KeyFrameRequest | RateUpdate) -> None:
        if self._listener:
            self._listener.on_feedback(feedback)

    async def answer(self, offer: str) -> str:
        pc = self._pc
        if pc is None:
            raise RuntimeError("the peer connection is closed")
        await pc.set_remote_description(rw.SessionDescription("offer", offer))
        await self._attach(await pc.transceivers())
        answer = await pc.create_answer()
        await pc.set_local_description(answer)
        worth_bps = video_bps(self._options.size)
        most_bps = round(_MOST * worth_bps)
        await pc.set_bitrate(_MIN_BPS, worth_bps + _SOUND_BPS, most_bps + 2 * _SOUND_BPS)
        if self._video_sender:
            await self._video_sender.set_send_bitrate(max_bps=most_bps)
        # The SmallWebRTC answer has no way to send candidates later. A STUN server that does
        # not answer costs its candidate, not the call.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gathered.wait(), _GATHERING_S)
        return with_candidates(answer.sdp, self._candidates)

    async def _attach(self, transceivers: list[rw.Transceiver]) -> None:
        """Our voice and face go on the first section of their kind; the rest stays dark."""
        direction = rw.TransceiverDirection
        for transceiver in transceivers:
            sound = transceiver.kind() == rw.MediaKind.Audio
            if sound and self._audio_mid is None and self._audio is not None:
                self._audio_mid = transceiver.mid()
                await transceiver.set_track(self._audio)
            elif not sound and self._video_sender is None and self._video is not None:
                self._video_sender, self._video_mid = transceiver, transceiver.mid()
                await transceiver.set_track(self._video)
            if transceiver.mid() == self._audio_mid:
                await transceiver.set_direction(direction.SendRecv)
            elif transceiver.mid() == self._video_mid:
                await transceiver.set_direction(direction.SendOnly)
            else:
                await transceiver.set_direction(direction.Inactive)

    async def add_candidate(self, candidate: IceCandidate) -> None:
        if self._pc is not None:
            await self._pc.add_ice_candidate(
                rw.IceCandidate(candidate.candidate, candidate.sdp_mid, candidate.sdp_mline_index)
            )

    def push_audio(self, pcm: Pcm, capture_us: int) -> None:
        track = self._audio
        if track is None:
            return
        # RTP audio time counts samples. A clock that skipped ticks must not shift it against
        # the picture's, which receivers take tens of seconds to notice: the gap becomes silence.
        due_us = capture_us if self._audio_due_us is None else self._audio_due_us
        if capture_us - due_us >= _GAP_US:
            gap_from = max(due_us, capture_us - _MAX_GAP_US)
            for at in range(gap_from, capture_us - _PUSH_US + 1, _PUSH_US):
                track.push_pcm(_SILENCE, OUTPUT_RATE, 1, capture_time_us=at)
            due_us = capture_us
        for start in range(0, len(pcm), _PUSH_SAMPLES):
            piece = pcm[start : start + _PUSH_SAMPLES].tobytes()
            at = capture_us + start * 1_000_000 // OUTPUT_RATE
            track.push_pcm(piece, OUTPUT_RATE, 1, capture_time_us=at)
        self._audio_due_us = due_us + len(pcm) * 1_000_000 // OUTPUT_RATE

    def push_video(self, packet: EncodedVideo, capture_us: int) -> None:
        track = self._video
        if track is None:
            return
        timestamp = (capture_us * 9 // 100) & 0xFFFFFFFF  # µs to the 90 kHz of RTP video
        track.push_encoded_frame(
            packet.data, packet.keyframe, packet.width, packet.height, timestamp
        )

    def push_pose(self, data: bytes) -> bool:
        channel = self._poses
        if channel is None or channel.state() != rw.DataChannelState.Open:
            return False
        # The channel may close between the question and the sending.
        with contextlib.suppress(RuntimeError):
            if channel.buffered_amount() < MAX_BUFFERED_POSES:
                channel.send(data, True)
        return True

    def send(self, text: str) -> None:
        channel = self._channel
        if channel is None or channel.state() != rw.DataChannelState.Open:
            return
        # The channel may close between the question and the sending.
        with contextlib.suppress(RuntimeError):
            if channel.buffered_amount() < MAX_BUFFERED_BYTES:
                channel.send(text.encode(), False)

    async def flush(self, timeout_s: float) -> None:
        if self._channel is not None and self.reachable:
            await self._channel.drain(timeout_s)

    async def bytes_received(self) -> int:
        if self._pc is None:
            return 0
        try:
            report = await self._pc.get_stats()
        except RuntimeError:  # closed while asking
            return 0
        return sum(pair.bytes_received for pair in report.candidate_pairs)

    async def close(self) -> None:
        if self._listener is None:
            return
        self._listener = None
        observer = self._observer
        observer.on_connection_state_change = None
        observer.on_ice_candidate = observer.on_ice_gathering_change = None
        observer.on_track = observer.on_data_channel = None
        held: list[object] = [self._video_sender, self._channel, self._poses]
        held += [*self._heard, self._pc, self._video, self._audio]
        self._video_sender = self._channel = self._poses = None
        self._pc = self._video = self._audio = None
        self._heard.clear()
        await asyncio.to_thread(held.clear)


def _encoded_track(
    factory: rw.PeerConnectionFactory, size: tuple[int, int]
) -> rw.EncodedVideoTrack:
    track = factory.create_video_track_with_options("face", pre_encoded=size)
    assert isinstance(track, rw.EncodedVideoTrack)
    return track


def _configuration(options: PeerOptions) -> rw.RtcConfiguration:
    low, high = options.udp_ports or (0, 0)
    return rw.RtcConfiguration(
        ice_servers=[
            rw.IceServer(list(server.urls), server.username or "", server.credential or "")
            for server in options.ice_servers
        ],
        min_port=low,
        max_port=high,
        bundle_policy=rw.BundlePolicy.MaxBundle,
        frame_metadata=False,
    )
