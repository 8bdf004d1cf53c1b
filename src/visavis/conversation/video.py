"""The picture half of the playout: draws and encodes the frame that the clock asks for, or sends
its pose to a user who draws."""

import threading
from typing import Literal, Protocol

from visavis.avatar import wire
from visavis.avatar.base import Avatar, Playhead, Posable
from visavis.media import FPS, I420, EncodedVideo
from visavis.rooms.base import Room

Render = Literal["auto", "client", "server"]
"""Who draws: "auto" is the user as soon as their channel for poses is open."""
CLIENT_GRACE_US = 4_000_000
"""How long a user who said they draw may take to open the channel; then they are sent video."""


class VideoEncoder(Protocol):
    """Encodes pictures of one size, in order."""

    def encode(self, frame: I420, pts: int, *, keyframe: bool) -> EncodedVideo:
        """Encode one frame; ``pts`` counts frames (of 1/``FPS`` s) and grows."""
        ...

    def set_bitrate(self, bps: int) -> None: ...


class VideoPump:
    """A mailbox of one between the clock's thread and the drawing thread.

    When drawing cannot keep up, the frame that waits is replaced by the newer one and counted
    as dropped: a late frame is never queued and never delays the sound.
    """

    def __init__(
        self, room: Room, avatar: Avatar, encoder: VideoEncoder, render: Render = "server"
    ) -> None:
        self._room = room
        self._avatar = avatar
        self._posable = avatar if render != "server" and isinstance(avatar, Posable) else None
        self._grace_us = CLIENT_GRACE_US if render == "client" else 0
        self._posed = False
        self._encoder = encoder
        self._picture = I420.empty(*avatar.size)
        self._wake = threading.Condition()
        self._due: Playhead | None = None
        self._stopped = False
        self._keyframe_wanted = True
        self._bitrate: int | None = None
        self._first_us: int | None = None
        self._pts = -1
        self.frames_sent = 0
        self.poses_sent = 0
        self.frames_dropped = 0

    def submit(self, at: Playhead) -> None:
        """Ask for the frame at ``at``. Any thread; never waits for drawing."""
        with self._wake:
            if self._due is not None:
                self.frames_dropped += 1
            self._due = at
            self._wake.notify()

    def request_keyframe(self) -> None:
        with self._wake:
            self._keyframe_wanted = True

    def set_bitrate(self, bps: int) -> None:
        with self._wake:
            self._bitrate = bps

    def stop(self) -> None:
        with self._wake:
            self._stopped = True
            self._wake.notify()

    def run(self) -> None:
        """Draw, encode and push until stopped. Blocks: this is a thread's body."""
        while (at := self._wait()) is not None:
            self._draw(at)

    def draw_due(self) -> bool:
        """Draw the frame that waits, if one does (the thread's step, without the thread)."""
        with self._wake:
            at, self._due = self._due, None
        if at is not None:
            self._draw(at)
        return at is not None

    def _wait(self) -> Playhead | None:
        with self._wake:
            self._wake.wait_for(lambda: self._due is not None or self._stopped)
            at, self._due = self._due, None
            return None if self._stopped else at

    def _draw(self, at: Playhead) -> None:
        if self._first_us is None:
            self._first_us = at.capture_us
        if self._posable is None:
            self._avatar.frame(at, self._picture)
            self._send(at)
            return
        pose = self._posable.pose(at)
        was, self._posed = self._posed, self._room.push_pose(wire.encode(pose, at.capture_us))
        if self._posed:
            self.poses_sent += 1
            self._grace_us = 0  # who has drawn once and stops needs video at once
        elif at.capture_us - self._first_us >= self._grace_us:
            if was:
                self.request_keyframe()
            self._posable.draw(pose, self._picture)
            self._send(at)

    def _send(self, at: Playhead) -> None:
        """Encode the picture and push it."""
        with self._wake:
            keyframe, self._keyframe_wanted = self._keyframe_wanted, False
            bitrate, self._bitrate = self._bitrate, None
        if bitrate is not None:
            self._encoder.set_bitrate(bitrate)
        assert self._first_us is not None
        elapsed = round((at.capture_us - self._first_us) * FPS / 1_000_000)
        self._pts = max(self._pts + 1, elapsed)
        packet = self._encoder.encode(self._picture, self._pts, keyframe=keyframe)
        self._room.push_video(packet, at.capture_us)
        self.frames_sent += 1
