"""Real sessions in a real worker, called over real WebRTC, while every model is out of reach."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from visavis.events import EndReason

CALLS = 6
POOL = 3
"""Threads by which asyncio's own pool may still grow."""

pytestmark = pytest.mark.models


class Caller:
    """A browser, as far as a room can tell."""

    def __init__(self) -> None:
        self.messages: list[dict] = []
        self.pictures = 0
        self._watching: list[asyncio.Task] = []
        self._pc = RTCPeerConnection()
        self._pc.addTrack(AudioStreamTrack())
        self._pc.addTransceiver("video", direction="recvonly")
        channel = self._pc.createDataChannel("chat")
        channel.on("message", lambda text: self.messages.append(json.loads(text)))
        self._pc.on("track", self._on_track)

    def _on_track(self, track) -> None:
        if track.kind == "video":
            self._watching.append(asyncio.create_task(self._watch(track)))

    async def _watch(self, track) -> None:
        while True:
            await track.recv()
            self.pictures += 1

    async def join(self, house, started) -> None:
        await self._pc.setLocalDescription(await self._pc.createOffer())
        answer = await house.http.post(
            f"/rooms/{started['sessionId']}/api/offer",
            json={"sdp": self._pc.localDescription.sdp, "type": "offer"},
            headers={"Authorization": f"Bearer {started['dailyToken']}"},
        )
        assert answer.status_code == 200, answer.text
        description = RTCSessionDescription(answer.json()["sdp"], "answer")
        await self._pc.setRemoteDescription(description)

    async def leave(self) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await self._pc.close()


async def call(house) -> tuple[dict, Caller]:
    """One call, until the session has ended by itself."""
    started = await house.start()
    caller = Caller()
    try:
        await caller.join(house, started)
        return await house.until_ended(started), caller
    finally:
        await caller.leave()


def held(pid: int) -> tuple[int, int]:
    """Threads and open files of a process."""
    threads = len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    return threads, len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def test_without_models_a_session_says_so_and_releases_everything(open_house):
    house = await open_house(module="visavis.sessions.worker", workers=1, sessions_per_worker=1)
    (pid,) = house.placement.pids
    refused = await house.offer(started := await house.start(), "nonsense")
    assert refused.json()["code"] == "bad_offer"
    await house.services.sessions.end(started["sessionId"], EndReason.API_ENDED)

    record, caller = await call(house)  # libraries start threads of their own at first use
    assert record["end_reason"] == "error"
    assert record["figures"]["errors"] >= 1
    assert "webrtc_connection" in record["states"]
    assert any(message.get("type") == "error" for message in caller.messages)

    before, memory = held(pid), resident_mb(pid)
    for _ in range(CALLS):
        await call(house)  # its seat was free: the house has only one
    threads, files = held(pid)
    assert threads <= before[0] + POOL
    assert files <= before[1]
    assert resident_mb(pid) - memory < 2 * CALLS  # a session holds about 15 MB while it lives
    assert house.placement.pids == [pid]
