"""Everything the caller saw and heard during a call, with the times of it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from visavis.caller.peer import Peer, Picture, Received
from visavis.caller.recording import AudioTape, VideoTape
from visavis.caller.sync import Transit
from visavis.rooms.rtvi import RtviMessage

_AUDIBLE = 250
"""Peak of a sample that an ear would notice (-42 dBFS)."""


class CallLost(Exception):
    """The server ended the call, or the connection broke, while more was to be said."""


@dataclass(frozen=True, slots=True)
class Message:
    at_s: float
    rtvi: RtviMessage


@dataclass(frozen=True, slots=True)
class Heard:
    """20 ms of sound: when it came, and whether an ear would notice it."""

    received: Received
    audible: bool


class Witness:
    """Watches a peer until its tasks are cancelled. ``until`` waits for something to happen."""

    def __init__(self, peer: Peer, video: VideoTape) -> None:
        self._peer = peer
        self._news = asyncio.Event()
        self.video = video
        self.agent_sound = AudioTape()
        self.pictures: list[Received] = []
        self.sounds: list[Heard] = []
        self.messages: list[Message] = []
        self.lost = False

    # -- the tasks

    async def watch(self) -> None:
        async for picture in self._peer.pictures():
            self.pictures.append(picture.received)
            await asyncio.to_thread(self._film, picture)
            self._tell()

    async def listen(self) -> None:
        async for sound in self._peer.sounds():
            self.agent_sound.add(sound.pcm, sound.received.at_s)
            loud = bool(np.abs(sound.pcm.astype(np.int32)).max() > _AUDIBLE)
            self.sounds.append(Heard(sound.received, loud))

    async def read(self) -> None:
        async for message in self._peer.messages():
            self.messages.append(Message(time.monotonic(), message))
            self._tell()

    async def notice_end(self) -> None:
        await self._peer.gone()
        self.lost = True
        self._tell()

    def _film(self, picture: Picture) -> None:
        self.video.add(picture.frame, picture.received.at_s)

    def _tell(self) -> None:
        self._news.set()

    async def until(self, happened: Callable[[], bool], timeout_s: float) -> None:
        """Wait until ``happened()``.

        Raises:
            TimeoutError: it did not.
            CallLost: the connection ended first; the message has the server's own reason.
        """
        async with asyncio.timeout(timeout_s):
            while not happened():
                if self.lost:
                    raise CallLost(self.last_error() or "The connection ended.")
                self._news.clear()
                await self._news.wait()

    # -- what is known

    def said(self, kind: str) -> list[Message]:
        """RTVI messages of one type, oldest first."""
        return [message for message in self.messages if message.rtvi.type == kind]

    def last_error(self) -> str | None:
        """The server's latest complaint on the data channel."""
        errors = self.said("error")
        return str(errors[-1].rtvi.data.get("message") or errors[-1].rtvi.data) if errors else None

    @property
    def agent_speaking(self) -> bool:
        for message in reversed(self.messages):
            if message.rtvi.type in ("bot-started-speaking", "bot-stopped-speaking"):
                return message.rtvi.type == "bot-started-speaking"
        return False

    def agent_started_after(self, at_s: float) -> bool:
        return any(message.at_s > at_s for message in self.said("bot-started-speaking"))

    def first_audible(self, after_s: float) -> float | None:
        """When the agent was first heard after a moment: arrival, not playout."""
        audible = (sound.received.arrived_s for sound in self.sounds if sound.audible)
        return next((at_s for at_s in audible if at_s > after_s), None)

    def sound_transits(self, start_s: float, end_s: float) -> list[Transit]:
        received = [sound.received for sound in self.sounds]
        return _transits(received, self._peer.sound_clock.captured_s, start_s, end_s)

    def picture_transits(self, start_s: float, end_s: float) -> list[Transit]:
        return _transits(self.pictures, self._peer.sight_clock.captured_s, start_s, end_s)


def _transits(
    received: list[Received],
    captured_s: Callable[[int], float | None],
    start_s: float,
    end_s: float,
) -> list[Transit]:
    return [
        Transit(captured, item.arrived_s)
        for item in received
        if start_s <= item.arrived_s <= end_s
        and (captured := captured_s(item.timestamp)) is not None
    ]
