"""Clients that mean harm to rooms and sessions: what they get, and what the others notice of it."""

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from tests.integration.platform_sessions.conftest import problem

ROOM_WORKER = "tests.integration.platform_sessions.room_worker"
OFFERS = 1000
AT_ONCE = 50


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Peer:
    """A browser that can send what no browser would."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[dict] = asyncio.Queue()
        self.opened, self.closed = asyncio.Event(), asyncio.Event()
        self.pc = RTCPeerConnection()
        self.pc.addTrack(AudioStreamTrack())
        self.pc.addTransceiver("video", direction="recvonly")
        self.channel = self.pc.createDataChannel("chat")
        self.channel.on("open", self.opened.set)
        self.channel.on("close", self.closed.set)
        self.channel.on("message", lambda text: self.answers.put_nowait(json.loads(text)))

    async def join(self, house, started) -> None:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        answer = await house.http.post(
            f"/rooms/{started['sessionId']}/api/offer",
            json={"sdp": self.pc.localDescription.sdp, "type": "offer"},
            headers={"Authorization": f"Bearer {started['dailyToken']}"},
        )
        assert answer.status_code == 200, answer.text
        description = RTCSessionDescription(answer.json()["sdp"], "answer")
        await self.pc.setRemoteDescription(description)
        async with asyncio.timeout(20):
            await self.opened.wait()

    def say(self, kind: str) -> None:
        self.channel.send(json.dumps({"label": "rtvi-ai", "type": kind, "id": "1", "data": {}}))


async def heard(house, started, kind: str) -> None:
    """Wait until the session has had this message."""
    path = f"/v1/session/{started['sessionId']}/events?format=json"
    async with asyncio.timeout(15):
        while True:
            log = (await house.http.get(path)).json()["data"]
            if any(item["event"].get("text") == kind for item in log):
                return
            await asyncio.sleep(0.1)


async def test_a_message_of_ten_megabytes_harms_nobody_else(open_house):
    house = await open_house(module=ROOM_WORKER, workers=1, sessions_per_worker=2)
    (pid,) = house.placement.pids
    hostile, neighbour = await house.start(), await house.start()
    attacker, other = Peer(), Peer()
    try:
        await attacker.join(house, hostile)
        await other.join(house, neighbour)
        before = resident_mb(pid)
        attacker.pc.sctp._remote_max_message_size = 0  # does not care what we accept
        attacker.channel.send("x" * 10_000_000)
        other.say("during")
        await heard(house, neighbour, "during")
        async with asyncio.timeout(60):
            while True:  # until it is refused, by an answer or by the end of the channel
                if attacker.closed.is_set() or not attacker.answers.empty():
                    break
                if (await house.session(hostile))["state"] == "ended":
                    break
                await asyncio.sleep(0.1)
        assert resident_mb(pid) - before < 80
        other.say("after")
        await heard(house, neighbour, "after")
        assert house.placement.pids == [pid]
    finally:
        await asyncio.gather(attacker.pc.close(), other.pc.close())


async def test_a_thousand_offers_for_one_room(open_house):
    house = await open_house(workers=1, sessions_per_worker=2)
    (pid,) = house.placement.pids
    victim, neighbour = await house.start(), await house.start()
    joined = (await house.offer(victim)).json()
    await house.offer(neighbour, "obey")
    before = resident_mb(pid)
    path = f"/rooms/{victim['sessionId']}/api/offer"
    token = {"Authorization": f"Bearer {victim['dailyToken']}"}
    turn = asyncio.Semaphore(AT_ONCE)

    async def offer(n: int) -> int:
        body: dict = {"sdp": f"v=0 {n}" + "x" * 20_000, "type": "offer"}
        headers = dict(token)
        match n % 5:
            case 0:
                body["pc_id"] = joined["pc_id"]  # the true peer, which asks far too often
            case 1:
                headers = {}
            case 2:
                headers = {"Authorization": "Bearer a.b.c"}
            case 3:
                body["sdp"] = "\x01" * 30_000
                body["pc_id"] = joined["pc_id"]
            case _:
                body["pc_id"] = "pc-guess"
        async with turn:
            return (await house.http.post(path, json=body, headers=headers)).status_code

    async def chat() -> None:
        said = f"/v1/session/{neighbour['sessionId']}/say"
        for _ in range(10):
            answer = await house.http.post(said, json={"text": "Still here?"})
            assert answer.status_code == 202
            await asyncio.sleep(0.05)

    flood = asyncio.gather(*(offer(n) for n in range(OFFERS)))
    await chat()
    each = OFFERS // 5
    assert Counter(await flood) == {200: each, 401: 2 * each, 400: each, 403: each}
    assert resident_mb(pid) - before < 30
    assert (await house.session(victim))["state"] == "conversation"
    assert (await house.session(neighbour))["state"] == "conversation"


async def test_strangers_who_flood_are_slowed_down_and_the_house_is_not(open_house):
    house = await open_house(workers=1, api_rate="60/minute")
    started = await house.start()
    path = f"/rooms/{started['sessionId']}/api/offer"
    far = {"Origin": "https://evil.example"}
    body = {"sdp": "v=0", "type": "offer"}
    answers = [await house.http.post(path, json=body, headers=far) for _ in range(100)]
    assert Counter(answer.status_code for answer in answers) == {401: 60, 429: 40}
    assert int(problem(answers[-1], 429, "rate_limited") and answers[-1].headers["retry-after"]) > 0
    assert (await house.offer(started)).status_code == 200


async def test_names_and_texts_of_a_hundred_thousand_characters(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    await house.offer(started, "obey")
    long, path = "x" * 100_000, f"/v1/session/{started['sessionId']}"
    far_too_long = [
        await house.http.post("/v1/agent", json={"name": long}),
        await house.http.post("/v1/start-agent-session", json={"agentId": long}),
        await house.http.post(f"{path}/say", json={"text": long}),
        await house.http.post(f"{path}/context", json={"text": long}),
        await house.http.patch(path, json={"voice_id": long}),
        await house.http.patch(f"/rooms/{started['sessionId']}/api/offer", json={"pc_id": long}),
    ]
    assert {answer.status_code for answer in far_too_long} <= {400, 422}
    assert all(len(answer.content) < 2000 for answer in far_too_long)
    for address in (f"/v1/session/{long[:60_000]}", f"{path}/events?token={long[:60_000]}"):
        assert 400 <= (await house.http.get(address)).status_code < 500
    prompt = await house.http.patch(path, json={"system_prompt": long})
    assert prompt.status_code == 200  # that long it may be
    assert (await house.session(started))["state"] == "conversation"


async def test_an_agent_with_monstrous_tools_is_refused_and_costs_no_worker(open_house):
    house = await open_house(workers=1)
    (pid,) = house.placement.pids
    neighbour = await house.start()
    await house.offer(neighbour, "obey")
    ids = []
    for n in range(25):
        tool = {
            "name": f"tool_{n}",
            "description": "x",
            "server_url": "https://shop.example/",
            "headers": {f"X-{m}": "x" * 4000 for m in range(50)},
        }
        made = await house.http.post("/v1/tool", json=tool)
        assert made.status_code == 201, made.text
        ids.append(made.json()["id"])
    agent = {
        "name": "Monster",
        "publish_status": "public",
        "configuration": {"tool_calling": {"selected_tool_ids": ids}},
    }
    made = await house.http.post("/v1/agent", json=agent)
    assert made.status_code == 201, made.text
    started = await house.http.post("/v1/start-agent-session", json={"agentId": made.json()["id"]})
    assert started.status_code == 200, started.text
    problem(await house.offer(started.json()), 422, "agent_too_large")
    said = f"/v1/session/{neighbour['sessionId']}/say"
    assert (await house.http.post(said, json={"text": "Still here?"})).status_code == 202
    assert house.placement.pids == [pid]
