"""Sessions in lists, whole, and as text."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.integration.platform_sessions.conftest import problem
from visavis.storage import sessions as store


async def ids(house, **query: object) -> list[str]:
    answer = await house.http.get("/v1/session", params=query)
    assert answer.status_code == 200, answer.text
    return [session["id"] for session in answer.json()["data"]]


async def mark(house, started, **metadata: object) -> str:
    path = f"/v1/session/{started['sessionId']}"
    assert (await house.http.patch(path, json={"metadata": metadata})).is_success
    return started["sessionId"]


async def test_sessions_are_found_by_what_is_known_of_them(open_house, database_url):
    house = await open_house(workers=1, sessions_per_worker=5, database_url=database_url)
    before = datetime.now(UTC) - timedelta(seconds=1)
    first = await mark(house, await house.start(), customer="42", vip=True)
    second = await mark(house, started := await house.start(), customer="7")
    third = await mark(house, await house.start(), customer="42")
    await house.offer(started, "leave")
    await house.until_ended(started)
    assert await ids(house) == [third, second, first]
    assert await ids(house, status="ended") == await ids(house, end_reason="user_left") == [second]
    assert await ids(house, status="active") == [third, first]
    assert await ids(house, state="provisioning") == [third, first]
    assert await ids(house, agent_id="demo", metadata="customer:42") == [third, first]
    assert await ids(house, metadata="customer:4") == await ids(house, agent_id="other") == []
    assert await ids(house, metadata="x.y:42") == []
    assert len(await ids(house, **{"from": before.isoformat()})) == 3
    assert await ids(house, to=int(before.timestamp() * 1000)) == []

    pages, cursor = [], {}
    while True:
        answer = (await house.http.get("/v1/session", params={"limit": 2, **cursor})).json()
        pages.append([session["id"] for session in answer["data"]])
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert pages == [[third, second], [first]]


async def test_lists_refuse_what_they_do_not_understand(open_house):
    house = await open_house(workers=1)
    for query, field in [
        ({"state": "sleeping"}, "state"),
        ({"status": "gone"}, "status"),
        ({"end_reason": "boredom"}, "end_reason"),
        ({"from": "yesterday"}, "from"),
        ({"to": "99999999999999999999"}, "to"),
        ({"metadata": "customer"}, "metadata"),
        ({"metadata": "a'b:c"}, "metadata"),
        ({"cursor": "x"}, "cursor"),
        ({"limit": 0}, "limit"),
        ({"agent_id": "../x"}, "agent_id"),
    ]:
        answer = await house.http.get("/v1/session", params=query)
        assert problem(answer, 422, "invalid_request")["field"] == field
    started = await house.start()
    token = {"Authorization": f"Bearer {started['dailyToken']}"}
    assert (await house.http.get("/v1/session", headers=token)).status_code == 401


async def test_a_record_has_its_tool_calls_but_not_for_the_user(open_house, database_url):
    house = await open_house(workers=1, database_url=database_url)
    started = await house.start()
    await mark(house, started, customer="42")
    await house.offer(started, "tools")
    record = await house.until(started, lambda record: len(record["tool_calls"]) == 2)
    done, running = record["tool_calls"]
    assert (done["name"], done["ok"], done["took_ms"], done["result"]) == (
        "look_up",
        True,
        12.5,
        "secret result",
    )
    assert (running["name"], running["ok"], running["took_ms"], running["is_async"]) == (
        "book",
        None,
        None,
        True,
    )
    assert record["agent_version"] >= 1
    assert record["metadata"] == {"customer": "42"}
    assert record["created_at"] <= record["joined_at"] < record["join_by"]
    assert record["ended_at"] is record["recording"] is None

    path = f"/v1/session/{started['sessionId']}"
    token = {"Authorization": f"Bearer {started['dailyToken']}"}
    shown = (await house.http.get(path, headers=token)).json()
    assert (shown["metadata"], shown["tool_calls"]) == ({}, [])
    for headers, secret in (({}, True), (token, False)):
        log = await house.http.get(f"{path}/events?format=json", headers=headers)
        assert ("secret" in log.text) is secret
        assert "look_up" in log.text

    async with house.services.database.write() as session:
        recording = {"key": "x.mp4", "duration_ms": 1500, "size_bytes": 2000}
        await store.keep_recording(session, started["sessionId"], recording)
    record = await house.session(started)
    assert record["recording"] == {"duration_ms": 1500, "size_bytes": 2000}


async def test_an_attack_in_a_transcript_stays_text_in_every_format(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    await house.offer(started, "script")
    path = f"/v1/session/{started['sessionId']}/transcript"
    async with asyncio.timeout(10):
        while True:
            lines = (await house.http.get(path)).json()["lines"]
            if len(lines) == 4:
                break
            await asyncio.sleep(0.05)
    assert lines[-1]["text"].startswith("<script>")
    captions = (await house.http.get(path, params={"format": "vtt"})).text
    assert "<script" not in captions
    assert captions.count("WEBVTT") == 3  # the header, and twice as words within a cue
    assert "&lt;script&gt;alert(1)&lt;/script&gt; WEBVTT --&gt; &amp; &lt;v Eve&gt;" in captions
    plain = await house.http.get(path, params={"format": "txt"})
    assert plain.headers["content-type"].startswith("text/plain")
    assert plain.headers["x-content-type-options"] == "nosniff"
    lines = plain.text.splitlines()
    assert lines[0] == "[0:00] You: hello there"
    assert "[0:00] Ava: hi" in lines
    assert len(lines) == 4
    problem(await house.http.get(path, params={"format": "pdf"}), 422, "invalid_request")
