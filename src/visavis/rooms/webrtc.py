"""The embedded room: we answer the user's peer connection ourselves."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal

import structlog

from visavis.events import EndReason
from visavis.media import TICK_MS, AudioChunk, EncodedVideo, Pcm, now_us
from visavis.rooms import rtvi
from visavis.rooms.base import (
    IceCandidate,
    IceServer,
    KeyFrameRequest,
    RateUpdate,
    RoomError,
    WebRtcRoom,
)
from visavis.rooms.mailbox import FeedbackBox, Mailbox
from visavis.rooms.microphone import Microphone
from visavis.rooms.peer import Peer, PeerListener, PeerOptions
from visavis.rooms.rtvi import RtviError, RtviMessage
from visavis.rooms.sdp import (
    check_offer,
    fingerprint,
    offers_data_channel,
    only_vp8,
    with_max_message_size,
)

log = structlog.stdlib.get_logger("visavis.rooms")

Engine = Literal["auto", "reactor", "aiortc"]
MakePeer = Callable[[PeerOptions, PeerListener], Peer]

_ANSWER_S = 10.0
_FAREWELL_S = 0.3
_WATCH_S = 1.0
_AUDIO_CHUNKS = 250  # 5 s, then the oldest go
_MESSAGES = 256
_CANDIDATES = 100


def open_room(
    *,
    engine: Engine,
    ice_servers: Sequence[IceServer],
    size: tuple[int, int],
    udp_ports: tuple[int, int] | None = None,
    connect_timeout_s: float = 15.0,
    lost_after_s: float = 9.0,
) -> WebRtcRoom:
    """A room for one session, waiting for its offer. ``size`` is the video's width and height.

    ``auto`` is libwebrtc where there is a wheel for it, else aiortc. A user of whom nothing at
    all is received for ``lost_after_s`` has vanished. Call it on the event loop.
    """
    options = PeerOptions(size, tuple(ice_servers), udp_ports)
    return _Room(_peer_maker(engine), options, connect_timeout_s, lost_after_s)


def _peer_maker(engine: Engine) -> MakePeer:
    if engine != "aiortc":
        try:
            from visavis.rooms.reactor import ReactorPeer
        except ImportError:
            if engine == "reactor":
                raise
            log.warning("no_libwebrtc_falling_back_to_aiortc")
        else:
            return ReactorPeer
    from visavis.rooms.aiortc import AiortcPeer

    return AiortcPeer


class _Room:
    """Implements ``WebRtcRoom`` and listens to its peer.

    The peer changes when the user's side comes back with a new peer connection (SmallWebRTC does
    after a network change): streams and iterators go on, as if there had been a pause.
    """

    def __init__(
        self, make_peer: MakePeer, options: PeerOptions, connect_timeout_s: float, lost_s: float
    ) -> None:
        self._make_peer = make_peer
        self._options = options
        self._connect_timeout_s = connect_timeout_s
        self._lost_after_s = lost_s
        self._peer: Peer | None = None
        self._fingerprint = ""
        self._negotiating = asyncio.Lock()
        self._candidates_left = _CANDIDATES
        self._transport_up = False
        self._channel_up = False
        self._flowing = asyncio.Event()
        self._needs_key_frame = True
        self._microphone: Microphone | None = None
        self._audio: Mailbox[AudioChunk] = Mailbox(_AUDIO_CHUNKS)
        self._messages: Mailbox[RtviMessage] = Mailbox(_MESSAGES)
        self._feedback = FeedbackBox()
        self._gone: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    # -- signalling

    async def answer(self, sdp: str) -> str:
        """See ``WebRtcRoom.answer``. A new DTLS fingerprint means a new peer connection."""
        check_offer(sdp)
        narrowed = only_vp8(sdp)
        async with self._negotiating:
            if self._closed:
                raise RoomError("room_closed", "The room is closed.")
            if self._peer is not None and fingerprint(sdp) == self._fingerprint:
                return await self._answer_with(self._peer, narrowed)
            return await self._join(sdp, narrowed)

    async def _join(self, offer: str, narrowed: str) -> str:
        """Answer with a new peer, and let go of the one before once that has worked."""
        was = self._peer, self._transport_up, self._channel_up
        peer = self._make_peer(self._options, self)
        self._transport_up = False
        self._channel_up = not offers_data_channel(offer)
        try:
            answer = await self._answer_with(peer, narrowed)
        except BaseException:
            _, self._transport_up, self._channel_up = was
            await peer.close()
            raise
        self._peer, self._fingerprint = peer, fingerprint(offer)
        self._candidates_left = _CANDIDATES
        if was[0] is not None:
            await was[0].close()
        return answer

    async def _answer_with(self, peer: Peer, offer: str) -> str:
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await peer.answer(offer)
        except TimeoutError as error:
            raise RoomError("answer_timeout", "The offer was not answered in time.") from error
        except Exception as error:
            raise RoomError("bad_offer", f"The offer cannot be answered: {error}") from error
        return with_max_message_size(answer, rtvi.MAX_MESSAGE_BYTES)

    async def add_candidate(self, candidate: IceCandidate) -> None:
        if self._peer is None:
            raise RoomError("bad_candidate", "There is no offer that the candidate belongs to.")
        if not candidate.candidate:
            return  # end of candidates
        if self._candidates_left == 0:
            raise RoomError("bad_candidate", "Too many candidates.")
        self._candidates_left -= 1
        try:
            await self._peer.add_candidate(candidate)
        except Exception as error:
            raise RoomError("bad_candidate", "The candidate cannot be read.") from error

    # -- Room

    async def connect(self) -> None:
        try:
            await asyncio.wait_for(self._flowing.wait(), self._connect_timeout_s)
        except TimeoutError as error:
            raise RoomError("connect_timeout", "The user's media did not connect.") from error
        if self._closed:
            raise RoomError("room_closed", "The room is closed.")

    def audio_in(self) -> AsyncIterator[AudioChunk]:
        return aiter(self._audio)

    def push_audio(self, pcm: Pcm, capture_us: int) -> None:
        peer = self._peer
        if peer is not None and self._flowing.is_set():
            peer.push_audio(pcm, capture_us)

    def push_video(self, packet: EncodedVideo, capture_us: int) -> None:
        peer = self._peer
        if peer is None or not self._flowing.is_set():
            return
        if packet.keyframe:
            self._needs_key_frame = False
        if not self._needs_key_frame:  # a decoder can do nothing with what comes before one
            peer.push_video(packet, capture_us)

    def push_pose(self, data: bytes) -> bool:
        peer = self._peer
        return peer is not None and self._flowing.is_set() and peer.push_pose(data)

    def feedback(self) -> AsyncIterator[KeyFrameRequest | RateUpdate]:
        return aiter(self._feedback)

    async def send(self, message: RtviMessage) -> None:
        if self._peer is not None:
            self._peer.send(rtvi.encode(message))

    def messages(self) -> AsyncIterator[RtviMessage]:
        return aiter(self._messages)

    async def departed(self) -> EndReason:
        return await asyncio.shield(self._gone)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._end_streams()
        self._flowing.set()  # wakes connect(), which then refuses
        async with self._negotiating:
            peer, self._peer = self._peer, None
            if peer is not None:
                peer.send(rtvi.peer_left())
                await peer.flush(_FAREWELL_S)
                await peer.close()
        if not self._gone.done():
            self._gone.set_exception(RoomError("room_closed", "The room is closed."))
            self._gone.exception()  # nobody has to wait for it

    # -- PeerListener

    def on_connected(self) -> None:
        self._transport_up = True
        self._flow()

    def on_channel_open(self) -> None:
        self._channel_up = True
        self._flow()

    def on_channel_closed(self) -> None:
        self._leave(EndReason.USER_LEFT)

    def on_sound(self, pcm: bytes, rate: int, channels: int) -> None:
        if self._microphone is not None:
            for chunk in self._microphone.heard(pcm, rate, channels, now_us()):
                self._audio.put(chunk)

    def on_feedback(self, feedback: KeyFrameRequest | RateUpdate) -> None:
        self._feedback.put(feedback)

    def on_text(self, text: str) -> None:
        if text.startswith("ping"):
            return  # SmallWebRTC's keep-alive; to be received is all it is for
        try:
            value = rtvi.parse_json(text)
            if value.get("type") == "signalling":
                return  # which of the user's tracks are on; silence says the same
            message = rtvi.from_object(value)
        except RtviError as error:
            if self._peer is not None:
                self._peer.send(rtvi.encode(rtvi.error(error.message, fatal=False)))
            return
        self._messages.put(message)
        if message.type == "disconnect-bot":
            self._leave(EndReason.USER_LEFT)

    # -- the user's coming and going

    def _flow(self) -> None:
        if not (self._transport_up and self._channel_up):
            return
        self._needs_key_frame = True
        self._feedback.put(KeyFrameRequest())
        if not self._flowing.is_set():
            self._microphone = Microphone(now_us())
            self._flowing.set()
            self._tasks = [
                asyncio.create_task(self._keep_time()),
                asyncio.create_task(self._watch()),
            ]

    def _leave(self, reason: EndReason) -> None:
        if not self._gone.done():
            self._gone.set_result(reason)
        self._end_streams()

    def _end_streams(self) -> None:
        self._audio.close()
        self._messages.close()
        self._feedback.close()

    async def _keep_time(self) -> None:
        """Silence flows too: the engines do not always deliver it."""
        while not self._gone.done():
            await asyncio.sleep(TICK_MS / 1000)
            if self._microphone is not None:
                for chunk in self._microphone.silence(now_us()):
                    self._audio.put(chunk)

    async def _watch(self) -> None:
        """A vanished user sends nothing, neither media nor reports on ours nor STUN answers."""
        received, since = -1, time.monotonic()
        while not self._gone.done():
            await asyncio.sleep(_WATCH_S)
            peer = self._peer
            if peer is None:
                continue
            count = await peer.bytes_received()
            if count != received:
                received, since = count, time.monotonic()
            elif time.monotonic() - since >= self._lost_after_s and not peer.reachable:
                log.info("user_vanished", silent_for_s=round(time.monotonic() - since, 1))
                self._leave(EndReason.CLIENT_LOST)
