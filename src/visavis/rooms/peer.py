"""One peer connection: what an engine (libwebrtc, aiortc) must do for the room."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from visavis.media import EncodedVideo, Pcm
from visavis.rooms.base import IceCandidate, IceServer, KeyFrameRequest, RateUpdate

POSE_CHANNEL = "coefficients"
"""Label of the data channel that carries poses; any other is the one for messages."""
MAX_BUFFERED_POSES = 1024
"""Bytes of poses that may wait: half a second. Older ones would be of no use."""
MAX_BUFFERED_BYTES = 1024 * 1024
"""What may wait for a client that does not read its data channel; the rest is dropped."""


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """How a peer connection is made. ``size`` is the video's width and height in pixels."""

    size: tuple[int, int]
    ice_servers: Sequence[IceServer] = ()
    udp_ports: tuple[int, int] | None = None


class PeerListener(Protocol):
    """What a peer reports. Always called on the event loop, never after ``Peer.close``."""

    def on_connected(self) -> None:
        """Media can flow."""
        ...

    def on_channel_open(self) -> None: ...

    def on_channel_closed(self) -> None:
        """The other side closed the data channel or said goodbye."""
        ...

    def on_sound(self, pcm: bytes, rate: int, channels: int) -> None:
        """Interleaved s16; silence may be left out."""
        ...

    def on_text(self, text: str) -> None: ...

    def on_feedback(self, feedback: KeyFrameRequest | RateUpdate) -> None: ...


class Peer(Protocol):
    """Pushes may come from any thread; everything else belongs to the event loop."""

    @property
    def reachable(self) -> bool:
        """Whether the engine itself knows that the other side still answers (STUN consent)."""
        ...

    async def answer(self, offer: str) -> str:
        """Answer a checked, VP8-only offer with all our candidates in it."""
        ...

    async def add_candidate(self, candidate: IceCandidate) -> None: ...

    def push_audio(self, pcm: Pcm, capture_us: int) -> None: ...

    def push_video(self, packet: EncodedVideo, capture_us: int) -> None: ...

    def push_pose(self, data: bytes) -> bool:
        """Send on the channel for poses, dropped when congested; False where there is none open."""
        ...

    def send(self, text: str) -> None:
        """Send on the data channel, if it is open and being read."""
        ...

    async def flush(self, timeout_s: float) -> None:
        """Wait until what was sent has left, but not longer than ``timeout_s``."""
        ...

    async def bytes_received(self) -> int:
        """A count that grows with every packet of media, RTCP or data from the other side."""
        ...

    async def close(self) -> None:
        """Silence the listener at once, then release everything."""
        ...
