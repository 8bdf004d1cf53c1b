"""The event log live, over a real socket."""

import asyncio
import json
import socket

import pytest

from tests.integration.platform_sessions.conftest import frames, problem
from visavis.events import AgentSaid, EventRecord
from visavis.server.routes import event_stream
from visavis.sessions import bells
from visavis.storage import sessions as store


def url(started, **query: object) -> str:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"/v1/session/{started['sessionId']}/events?{asked}"


async def read(house, path: str, count: int | None = None, **headers: str) -> list[dict]:
    """The first ``count`` frames of a stream, or all."""
    got = []
    async with asyncio.timeout(15), house.http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        async for frame in frames(answer):
            got.append(frame)
            if len(got) == count:
                break
    return got


async def test_history_first_then_live_until_the_end(open_house, database_url):
    house = await open_house(workers=1, database_url=database_url)
    started = await house.start()
    reader = asyncio.create_task(read(house, url(started)))
    await house.offer(started, "obey")
    await house.until(started, lambda record: record["state"] == "conversation")
    late = asyncio.create_task(read(house, url(started)))
    await house.http.post(f"/v1/session/{started['sessionId']}/say", json={"text": "Live!"})
    log = f"/v1/session/{started['sessionId']}/events?format=json"
    async with asyncio.timeout(10):
        while True:
            if "Live!" in (await house.http.get(log)).text:
                break
            await asyncio.sleep(0.05)
    await house.http.post(f"/v1/session/{started['sessionId']}/end")
    seen, again = await reader, await late
    assert seen == again
    assert [int(frame["id"]) for frame in seen] == list(range(len(seen)))
    assert [frame["event"] for frame in seen][-2:] == ["ended", "state"]
    assert seen[-2]["data"]["event"]["reason"] == "api_ended"
    assert any("Live!" in json.dumps(frame["data"]) for frame in seen)
    listed = (await house.http.get(url(started, format="json"))).json()
    assert [frame["data"] for frame in seen] == listed["data"]
    assert listed["next_after"] is None


async def test_a_reader_comes_back_to_where_it_was(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    await house.offer(started, "leave")
    await house.until_ended(started)
    everything = await read(house, url(started))
    assert await read(house, url(started), **{"Last-Event-ID": "4"}) == everything[5:]
    assert await read(house, url(started, after=2)) == everything[3:]
    assert await read(house, url(started), **{"Last-Event-ID": "none of ours"}) == everything
    last = everything[-1]["id"]
    done = await house.http.get(url(started), headers={"Last-Event-ID": last})
    assert done.status_code == 204  # or a browser would come back for ever
    page = (await house.http.get(url(started, format="json", limit=3, after=1))).json()
    assert [item["seq"] for item in page["data"]] == [2, 3, 4]
    assert page["next_after"] == 4


async def test_who_may_read_along(open_house):
    house = await open_house(workers=1)
    started, other = await house.start(), await house.start()
    far = {"Origin": "https://shop.example"}
    for query in ({"token": started["dailyToken"]}, {}):
        headers = far if query else {**far, "Authorization": f"Bearer {started['dailyToken']}"}
        assert len(await read(house, url(started, **query), 2, **headers)) == 2
    problem(await house.http.get(url(started), headers=far), 401, "key_missing")
    stranger = url(started, token=other["dailyToken"])
    problem(await house.http.get(stranger), 403, "token_other_session")
    problem(await house.http.get(url(started, token="vv_key")), 401, "token_invalid")
    problem(await house.http.get("/v1/session/none/events"), 404, "session_not_found")
    for bad in ({"after": -2}, {"after": 2**40}, {"format": "xml"}, {"limit": 0}):
        problem(await house.http.get(url(started, **bad)), 422, "invalid_request")


async def test_quiet_streams_show_that_they_live(open_house, monkeypatch):
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.05)
    house = await open_house(workers=1)
    started = await house.start()
    async with asyncio.timeout(10), house.http.stream("GET", url(started)) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        async for line in lines:
            if line == ": still here":
                return
    pytest.fail("the stream ended")


async def test_a_reader_that_does_not_read_costs_little_memory(open_house, monkeypatch):
    house = await open_house(workers=1)
    started = await house.start()
    await fill(house, started["sessionId"], events=3000)  # 9 MB
    pages = []
    events_after = event_stream.lists.events_after

    async def counted(*arguments):
        pages.append(arguments)
        return await events_after(*arguments)

    monkeypatch.setattr(event_stream.lists, "events_after", counted)
    reader = await deaf_reader(house.url, url(started))
    try:
        seen = -1
        while len(pages) > seen:  # until it stands still
            seen = len(pages)
            await asyncio.sleep(0.5)
        assert 1 <= len(pages) < 3000 / event_stream.PAGE / 2
    finally:
        reader.close()
    assert len(await read(house, url(started), 2500)) == 2500


async def test_too_many_readers_are_refused_and_leave_no_trace(open_house, monkeypatch):
    monkeypatch.setattr(bells, "MAX_PER_SESSION", 3)
    house = await open_house(workers=1)
    started = await house.start()
    readers = [await deaf_reader(house.url, url(started)) for _ in range(3)]
    for reader in readers:
        assert await asyncio.get_running_loop().sock_recv(reader, 12) == b"HTTP/1.1 200"
    answer = await until_not(house, url(started), 200)
    assert answer["detail"] == "Too many read this session live."
    for reader in readers:
        reader.close()
    async with asyncio.timeout(10):
        while True:
            if not house.services.bells._bells:
                break
            await asyncio.sleep(0.05)
    assert house.services.bells._readers == 0


async def until_not(house, path: str, status: int) -> dict:
    """Ask until the answer is another one."""
    async with asyncio.timeout(10):
        while True:
            async with house.http.stream("GET", path) as answer:
                if answer.status_code != status:
                    return json.loads(await answer.aread())
            await asyncio.sleep(0.05)


async def fill(house, session_id: str, events: int) -> None:
    records = [
        EventRecord(session_id=session_id, seq=10 + n, at_ms=n, event=AgentSaid(1, "x" * 3000))
        for n in range(events)
    ]
    await house.services.sessions.flush()
    async with house.services.database.write() as session:
        await store.append(session, records)


async def deaf_reader(base: str, path: str) -> socket.socket:
    """Asks for the stream and never reads what comes."""
    host, _, port = base.removeprefix("http://").partition(":")
    asking = socket.socket()
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    asking.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(asking, (host, int(port)))
    await loop.sock_sendall(asking, f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return asking
