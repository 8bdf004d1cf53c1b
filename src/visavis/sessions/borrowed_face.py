"""A face that another agent has borrowed: ``python -m visavis.sessions.borrowed_face --fd N``.

It plays, on the same clock as a call does, the sound that comes in, and sends the pictures that
go with it; the sound itself stays with whoever sent it. Run by the server, one per avatar stream.
"""

import argparse
import asyncio
import contextlib
import socket
import sys
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from visavis.avatar import puppet, rig
from visavis.avatar.backends import worker_kit as kit
from visavis.avatar.backends.stream_wire import Picture
from visavis.avatar.base import Avatar, Phase, Playhead
from visavis.avatar.encoder import Vp8Encoder
from visavis.avatar.ground import Look
from visavis.conversation.playout import Playout, PlayoutEvent, SpeechFinished
from visavis.logs import configure_logging
from visavis.media import I420, Emotion, EncodedVideo, Pcm, TurnSpeech
from visavis.rooms.base import Room
from visavis.sessions.borrowed_speech import Backlog
from visavis.sessions.borrowed_wire import MAX_BACKLOG, Channel, open_channel
from visavis.settings import settings


class BorrowedFace:
    """One face, for as long as its channel is open."""

    def __init__(self, channel: Channel, avatar: Avatar, rate: int) -> None:
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._watched = _Watched(avatar)
        self._encoder = Vp8Encoder(*avatar.size)
        room = cast("Room", self)  # all that a playout uses of one is here
        self._playout = Playout(room, self._watched, self._encoder, self._on_playout)
        self._backlog = Backlog(rate)
        self._over = asyncio.Event()
        """The utterance that is being played has ended, one way or the other."""
        self._timing: dict[int, dict[str, Any]] = {}
        self._speaking = 0
        self._begun = 0
        self._ended = 0
        self._shown_s = 0.0
        self._first_us: int | None = None
        self._pts_us = 0

    async def run(self) -> None:
        """Until the other side hangs up."""
        tasks = [asyncio.create_task(self._playout.run()), asyncio.create_task(self._speak())]
        try:
            while (message := await self._channel.receive()) is not None:
                self._obey(message)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -- what comes in

    def _obey(self, message: kit.Message) -> None:
        number = message.turn
        match message.type:
            case kit.TIMING:
                self._timing[number] = kit.parse_json(message.payload)
            case kit.AUDIO:
                pcm = np.frombuffer(message.payload, "<i2").astype(np.int16)
                if not self._backlog.add(number, pcm, self._timing.pop(number, None)):
                    self._tell("backlog_full", number)
            case kit.END:
                self._backlog.end(number)
            case kit.CLEAR:
                self._interrupt(number)
            case kit.CONTROL:
                self._control(kit.parse_json(message.payload))
            case _:
                pass

    def _control(self, wish: dict[str, Any]) -> None:
        if wish.get("phase") in list(Phase):
            self._playout.set_phase(Phase(wish["phase"]))
        if wish.get("emotion") in get_args(Emotion):
            self._watched.feel(wish["emotion"], float(wish.get("intensity", 1.0)))
        if wish.get("keyframe"):
            self._playout.video.request_keyframe()

    def _interrupt(self, number: int) -> None:
        """Be silent at once; everything up to ``number`` is forgotten, and said to be."""
        waiting = self._backlog.forget(number)
        if self._ended < self._speaking <= number:
            self._playout.interrupt(self._speaking)
            self._end(self._speaking, interrupted=True, position_s=self._shown_s)
        for forgotten in waiting:
            if forgotten > self._ended:
                self._end(forgotten, interrupted=True, position_s=0.0)

    # -- what is played

    async def _speak(self) -> None:
        """One utterance after the other."""
        while True:
            number = self._speaking = await self._backlog.next_utterance(after=self._ended)
            self._shown_s = position_s = 0.0
            self._over.clear()
            while (chunk := await self._backlog.take(number)) is not None:
                await self._playout.play(TurnSpeech(number, position_s, chunk))
                position_s += chunk.duration_s
            if self._ended < number:
                self._playout.finish(number)
                await self._over.wait()

    def _on_playout(self, event: PlayoutEvent) -> None:
        if isinstance(event, SpeechFinished) and event.turn_id > self._ended:
            self._begin(event.turn_id)  # where it was too short for a picture
            self._end(event.turn_id, interrupted=False, position_s=self._backlog.said_s)

    def _begin(self, number: int) -> None:
        if number > self._begun:
            self._begun = number
            self._tell("started", number)

    def _end(self, number: int, *, interrupted: bool, position_s: float) -> None:
        self._ended = number
        self._begun = max(self._begun, number)
        self._backlog.forget(number)
        self._over.set()
        self._tell("ended", number, interrupted=interrupted, position_s=round(position_s, 3))

    # -- the room of the playout: sound stays where it came from, pictures go out

    def push_audio(self, pcm: Pcm, capture_us: int) -> None: ...

    def push_video(self, packet: EncodedVideo, capture_us: int) -> None:
        at = self._watched.at
        assert at is not None
        if self._first_us is None:
            self._first_us = capture_us
        position_us = None if at.position_s is None else round(at.position_s * 1e6)
        pts_us = capture_us - self._first_us
        picture = Picture(at.turn_id, pts_us, position_us, packet.keyframe, packet.data)
        with contextlib.suppress(RuntimeError):  # the loop has closed
            self._loop.call_soon_threadsafe(self._send, picture)

    def _send(self, picture: Picture) -> None:
        self._pts_us = picture.pts_us
        if picture.position_us is not None and picture.utterance > self._ended:
            self._shown_s = picture.position_us / 1e6
            self._begin(picture.utterance)
        if self._channel.backlog > MAX_BACKLOG:
            self._playout.video.request_keyframe()  # what follows a gap must not build on it
        else:
            self._channel.send(kit.FRAME, picture.utterance, picture.pack())

    def _tell(self, event: str, number: int, **more: object) -> None:
        body = {"event": event, "pts_us": self._pts_us, **more}
        self._channel.send_json(kit.CONTROL, body, number)


class _Watched:
    """An avatar that remembers where the playhead was when it last drew."""

    def __init__(self, avatar: Avatar) -> None:
        self._avatar = avatar
        self.at: Playhead | None = None
        self.size = avatar.size
        self.push_speech = avatar.push_speech
        self.clear = avatar.clear
        self.feel = avatar.feel

    def frame(self, at: Playhead, out: I420) -> None:
        self.at = at
        self._avatar.frame(at, out)


async def _main(fd: int) -> None:
    channel = await open_channel(socket.socket(fileno=fd))
    hello = await channel.receive()
    if hello is None:
        return
    wish = kit.parse_json(hello.payload)
    path = Path(wish["rig_file"]) if wish.get("rig_file") else rig.find(wish["character_id"])
    puppet.warm_up()
    size, look = (wish["width"], wish["height"]), Look(badge=wish["badge"])
    avatar = puppet.Puppet(rig.load(path), size=size, look=look)
    face = BorrowedFace(channel, avatar, wish["sample_rate"])
    channel.send(kit.READY)
    await face.run()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m visavis.sessions.borrowed_face")
    parser.add_argument("--fd", type=int, required=True)
    configure_logging(settings().log_level)
    sys.exit(asyncio.run(_main(parser.parse_args().fd)))


if __name__ == "__main__":
    main()
