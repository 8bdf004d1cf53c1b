"""A server with one real room and a very simple agent: after you speak, it flashes and beeps.

It has the HTTP shape of a visavis server and the product's own WebRTC room; only the mind and
the face are missing, so that a test knows exactly what was sent, and when. It runs in a process
of its own, as a server does: ``python -m tests.integration.caller.answering_machine [--silent]``
prints its URL and runs until it is told to stop.
"""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import av
import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from visavis.media import FPS, OUTPUT_RATE, OUTPUT_TICK, EncodedVideo, now_us
from visavis.rooms import rtvi
from visavis.rooms.base import KeyFrameRequest, WebRtcRoom
from visavis.rooms.webrtc import open_room

BEEP_S = 1.0
REPLY = "Beep it is."
_LOUD = 1000
_END_TICKS = 40
_SIDE = 512


class AnsweringMachine:
    def __init__(self, *, silent: bool) -> None:
        self.room: WebRtcRoom | None = None
        self.replies: list[float] = []
        self._rung = asyncio.Event()
        self._silent = silent
        self._want_key = True
        self._beep_until_s = 0.0

    def app(self, url: str) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/start-agent-session")
        async def start(body: dict[str, Any]) -> Any:
            if body.get("agentId") != "echo":
                problem = {
                    "title": "Not found",
                    "detail": "No such agent.",
                    "code": "agent_unknown",
                }
                return JSONResponse(problem, 404, media_type="application/problem+json")
            self.room = open_room(engine="auto", ice_servers=[], size=(_SIDE, _SIDE))
            self._rung.set()
            return {
                "sessionId": "s1",
                "roomUrl": f"{url}/rooms/s1",
                "dailyToken": "secret",
                "webLink": f"{url}/meet/echo",
                "iceServers": [],
            }

        @app.post("/rooms/s1/api/offer")
        async def offer(request: Request) -> Any:
            if request.headers.get("authorization") != "Bearer secret":
                return JSONResponse({"code": "token_invalid", "title": "No."}, 401)
            assert self.room is not None
            answer = await self.room.answer((await request.json())["sdp"])
            return {"sdp": answer, "type": "answer", "pc_id": "p1"}

        @app.get("/v1/session/s1")
        async def session() -> Any:
            timings = {"voice_to_voice_ms": 410.0, "transcript_ms": 120.0}
            return {
                "agent_name": "Beeper",
                "end_reason": "user_left" if self.replies else None,
                "turns": [
                    {"user_text": "Hello.", "agent_text": REPLY, "timings": timings}
                    for _ in self.replies
                ],
            }

        @app.post("/hang-up")
        async def hang_up() -> None:
            assert self.room is not None
            await self.room.close()

        return app

    async def run(self) -> None:
        await self._rung.wait()
        assert self.room is not None
        await self.room.connect()
        async with asyncio.TaskGroup() as tasks:
            work = [self._play(), self._listen(), self._feedback(), self._greet()]
            running = [tasks.create_task(task) for task in work]
            await self.room.departed()
            for task in running:
                task.cancel()

    async def _greet(self) -> None:
        assert self.room is not None
        async for message in self.room.messages():
            if message.type == "client-ready":
                await self.room.send(rtvi.bot_ready({}, in_reply_to=message.id))

    async def _listen(self) -> None:
        """A turn ends after 0.8 s below the threshold."""
        assert self.room is not None
        heard, quiet = False, 0
        async for chunk in self.room.audio_in():
            loud = bool(np.abs(chunk.pcm.astype(np.int32)).max() > _LOUD)
            heard, quiet = heard or loud, 0 if loud else quiet + 1
            if heard and quiet == _END_TICKS:
                heard = False
                if not self._silent:
                    await self._reply()

    async def _reply(self) -> None:
        assert self.room is not None
        said = rtvi.user_transcription("Hello.", final=True, timestamp="", user_id="u")
        await self.room.send(said)
        await self.room.send(rtvi.bot_started_speaking())
        self._beep_until_s = time.monotonic() + BEEP_S
        for word in REPLY.split():
            await self.room.send(rtvi.bot_output(word, spoken=True, aggregated_by="word"))
        self.replies.append(time.monotonic())
        await asyncio.sleep(BEEP_S)
        await self.room.send(rtvi.bot_stopped_speaking())

    async def _feedback(self) -> None:
        assert self.room is not None
        async for feedback in self.room.feedback():
            self._want_key |= isinstance(feedback, KeyFrameRequest)

    async def _play(self) -> None:
        """Sound and its picture leave in the same tick, as in the product."""
        assert self.room is not None
        encoder, ticks, start_us = _vp8(), 0, now_us()
        tone = (np.sin(np.arange(OUTPUT_TICK) * 2 * np.pi * 1000 / OUTPUT_RATE) * 9000).astype(
            np.int16
        )
        beeping = False
        while True:
            capture_us = start_us + ticks * 20_000
            await asyncio.sleep(max(0, capture_us - now_us()) / 1e6)
            if ticks % 2 == 0:
                beeping = time.monotonic() < self._beep_until_s
                for packet in encoder.encode(self._picture(beeping, ticks // 2)):
                    video = EncodedVideo(bytes(packet), packet.is_keyframe, _SIDE, _SIDE)
                    self.room.push_video(video, capture_us)
            sound = tone if beeping else np.zeros(OUTPUT_TICK, np.int16)
            self.room.push_audio(sound, capture_us)
            ticks += 1

    def _picture(self, white: bool, number: int) -> av.VideoFrame:
        plane = np.full((_SIDE * 3 // 2, _SIDE), 128, np.uint8)
        plane[:_SIDE] = 235 if white else 16
        frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        if self._want_key:
            frame.pict_type = av.video.frame.PictureType.I
            self._want_key = False
        return frame


def _vp8() -> Any:
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width = encoder.height = _SIDE
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.bit_rate = 300_000
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    return encoder


async def _main() -> None:
    machine = AnsweringMachine(silent="--silent" in sys.argv)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()  # whoever reads the URL may call at once
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        config = uvicorn.Config(machine.app(url), log_level="error", lifespan="off")
        running = asyncio.create_task(machine.run())
        print(url, flush=True)
        await uvicorn.Server(config).serve([sock])
        running.cancel()


@asynccontextmanager
async def answering_machine(*options: str) -> AsyncIterator[str]:
    """Runs until left; yields its URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __spec__.name, *options), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(_main())
