"""The room: where a session's media flows. One small interface, several backends."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from visavis.events import EndReason
from visavis.media import AudioChunk, EncodedVideo, Pcm
from visavis.rooms.rtvi import RtviMessage


class RoomError(Exception):
    """The room cannot be used. ``code`` is stable (``bad_offer``, ``connect_timeout``, …)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class IceServer:
    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class IceCandidate:
    """A trickled candidate line (``candidate:…``) and the m-line it belongs to."""

    candidate: str
    sdp_mid: str | None
    sdp_mline_index: int | None


@dataclass(frozen=True, slots=True)
class KeyFrameRequest:
    pass


@dataclass(frozen=True, slots=True)
class RateUpdate:
    bitrate_bps: int


class Room(Protocol):
    """One user and one agent. All iterators end when the user is gone or the room closes."""

    async def connect(self) -> None:
        """Return when media can flow. Raises ``RoomError("connect_timeout")``."""
        ...

    def audio_in(self) -> AsyncIterator[AudioChunk]:
        """The user's sound in real time, 20 ms a chunk, silence included. One consumer."""
        ...

    def push_audio(self, pcm: Pcm, capture_us: int) -> None:
        """Send ``OUTPUT_TICK`` samples. Any thread; never blocks."""
        ...

    def push_video(self, packet: EncodedVideo, capture_us: int) -> None:
        """Send one encoded frame. Any thread; never blocks."""
        ...

    def push_pose(self, data: bytes) -> bool:
        """Send a pose (``visavis.avatar.wire``) to a user who draws the face; any thread, never
        blocks. A pose that finds the channel congested is dropped.

        False where the user has no open channel for poses, or where the picture is needed all the
        same: then the frame must be drawn.
        """
        ...

    def feedback(self) -> AsyncIterator[KeyFrameRequest | RateUpdate]:
        """What the network asks of the encoder. One consumer."""
        ...

    async def send(self, message: RtviMessage) -> None:
        """Send on the data channel; dropped silently once the user is gone."""
        ...

    def messages(self) -> AsyncIterator[RtviMessage]:
        """RTVI messages from the user. One consumer."""
        ...

    async def departed(self) -> EndReason:
        """Wait until the user is gone: ``USER_LEFT`` (said so) or ``CLIENT_LOST`` (vanished).

        Raises ``RoomError("room_closed")`` when we closed the room first.
        """
        ...

    async def close(self) -> None:
        """Release everything; idempotent."""
        ...


class WebRtcRoom(Room, Protocol):
    """A room that we answer ourselves, signalled in the SmallWebRTC shape."""

    async def answer(self, sdp: str) -> str:
        """Answer an offer (the first one or a renegotiation). Raises ``RoomError("bad_offer")``."""
        ...

    async def add_candidate(self, candidate: IceCandidate) -> None: ...
