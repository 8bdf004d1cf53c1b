"""Commands reach the conversation in its worker, and are refused where they cannot."""

import asyncio
import base64
import json

from tests.integration.platform_sessions.conftest import problem
from visavis.storage.tables import SessionRow, SlotRow


async def told(house, started, count: int) -> list[dict]:
    """What the conversation was told: it says it all aloud."""

    path = f"/v1/session/{started['sessionId']}/events?format=json"
    async with asyncio.timeout(15):
        while True:
            data = (await house.http.get(path)).json()["data"]
            said = [e["event"] for e in data if e["event"]["type"] == "agent_said"][1:]
            if len(said) >= count:
                return [json.loads(event["text"]) for event in said]
            await asyncio.sleep(0.05)


async def test_every_command_arrives_as_it_was_sent_and_in_order(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    await house.offer(started, "obey")
    path = f"/v1/session/{started['sessionId']}"
    sound = base64.b64encode(bytes(4800)).decode()
    sent = [
        ("say", {"text": "Good day!"}),
        ("say", {"text": "One more thing.", "interrupt": False}),
        ("echo", {"text": "Verbatim."}),
        ("echo", {"audio": sound, "sample_rate": 16000, "interrupt": False}),
        ("respond", {"text": "What time is it?"}),
        ("context", {"text": "The shop closes at six."}),
        ("context", {"text": "I am from Oslo.", "role": "user"}),
        ("interrupt", None),
    ]
    for name, body in sent:
        answer = await house.http.post(f"{path}/{name}", json=body)
        assert answer.status_code == 202, answer.text
        assert answer.json() == {
            "session_id": started["sessionId"],
            "command": name,
            "status": "accepted",
        }
    assert await told(house, started, len(sent)) == [
        {"type": "say", "text": "Good day!", "interrupt": True},
        {"type": "say", "text": "One more thing.", "interrupt": False},
        {"type": "echo", "text": "Verbatim.", "audio": "", "sample_rate": 24000, "interrupt": True},
        {"type": "echo", "text": "", "audio": sound, "sample_rate": 16000, "interrupt": False},
        {"type": "respond", "text": "What time is it?"},
        {"type": "context", "text": "The shop closes at six.", "role": "system"},
        {"type": "context", "text": "I am from Oslo.", "role": "user"},
        {"type": "interrupt", "by_user": False},
    ]


async def test_a_running_session_is_changed_and_its_record_says_so(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    path = f"/v1/session/{started['sessionId']}"
    early = await house.http.patch(path, json={"temperature": 0.9, "metadata": {"a": 1, "b": 2}})
    assert early.status_code == 200, early.text  # nobody has joined: only the record changes
    await house.offer(started, "obey")
    change = {
        "system_prompt": "Be brief.",
        "voice_id": "heart",
        "max_duration_seconds": 7200,
        "metadata": {"a": None, "c": "x"},
    }
    changed = await house.http.patch(path, json=change)
    assert changed.json()["metadata"] == {"b": 2, "c": "x"}
    (update,) = await told(house, started, 1)
    del change["metadata"]
    assert update == {"type": "update", **change}

    async with house.services.database.read() as session:
        row = await session.get_one(SessionRow, started["sessionId"])
        slots = [await session.get_one(SlotRow, 0)]
    assert row.configuration["llm"]["system_prompt"] == "Be brief."
    assert row.configuration["llm"]["temperature"] == 0.9
    assert row.configuration["max_duration_seconds"] == 7200
    assert slots[0].expires_at - row.joined_at > 7_200_000


async def test_updates_that_make_no_sense(open_house):
    house = await open_house(workers=1)
    path = f"/v1/session/{(await house.start())['sessionId']}"
    for change, code, field in [
        ({"temperature": 3}, "invalid_request", "temperature"),
        ({"voice_id": "nobody"}, "unknown_choice", "voice_id"),
        ({"language": "no"}, "unknown_choice", "language"),
        ({"language": "English"}, "invalid_request", "language"),
        ({"max_duration_seconds": 5}, "invalid_request", "max_duration_seconds"),
        ({"name": "Bob"}, "invalid_request", "name"),
        ({"metadata": {str(n): n for n in range(101)}}, "invalid_request", "metadata"),
    ]:
        answer = await house.http.patch(path, json=change)
        assert problem(answer, 422, code)["field"] == field


async def test_commands_that_make_no_sense(open_house):
    house = await open_house(workers=1)
    path = f"/v1/session/{(await house.start())['sessionId']}"
    for name, body in [
        ("say", {}),
        ("say", {"text": ""}),
        ("say", {"text": " \n "}),
        ("say", {"text": "x" * 5001}),
        ("say", {"text": "x", "loud": True}),
        ("say", {"text": "a\x00b"}),
        ("echo", {}),
        ("echo", {"audio": "no base64!"}),
        ("echo", {"audio": base64.b64encode(b"odd").decode()}),
        ("echo", {"audio": "AAAA" * 2, "sample_rate": 7999}),
        ("context", {"text": "x", "role": "assistant"}),
        ("respond", {"text": 5}),
    ]:
        answer = await house.http.post(f"{path}/{name}", json=body)
        problem(answer, 422, "invalid_request")


async def test_there_is_someone_to_tell_only_while_the_session_runs(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    path = f"/v1/session/{started['sessionId']}"
    problem(await house.http.post(f"{path}/say", json={"text": "x"}), 409, "session_not_joined")
    problem(await house.http.post("/v1/session/none/interrupt"), 404, "session_not_found")
    await house.http.post(f"{path}/end")
    for name in ("say", "echo", "respond", "context"):
        answer = await house.http.post(f"{path}/{name}", json={"text": "x"})
        problem(answer, 410, "session_ended")
    problem(await house.http.post(f"{path}/interrupt"), 410, "session_ended")
    problem(await house.http.patch(path, json={"temperature": 1}), 410, "session_ended")


async def test_a_flood_of_commands_is_refused_but_an_interrupt_gets_through(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    await house.offer(started, "stay")  # obeys nothing
    path = f"/v1/session/{started['sessionId']}"
    body = {"text": "x"}
    answers = [await house.http.post(f"{path}/say", json=body) for _ in range(34)]
    assert [answer.status_code for answer in answers] == [202] * 32 + [429] * 2
    problem(answers[-1], 429, "too_many_commands")
    assert answers[-1].headers["retry-after"] == "1"
    assert (await house.http.post(f"{path}/interrupt")).status_code == 202


async def test_what_the_room_token_may_do(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    await house.offer(started, "obey")
    path = f"/v1/session/{started['sessionId']}"
    token = {"Authorization": f"Bearer {started['dailyToken']}"}
    assert (await house.http.post(f"{path}/interrupt", headers=token)).status_code == 202
    assert await told(house, started, 1) == [{"type": "interrupt", "by_user": True}]
    for name in ("say", "echo", "respond", "context"):
        answer = await house.http.post(f"{path}/{name}", json={"text": "x"}, headers=token)
        assert answer.status_code == 401, answer.text
    assert (await house.http.patch(path, json={}, headers=token)).status_code == 401
    other = await house.start()
    stranger = {"Authorization": f"Bearer {other['dailyToken']}"}
    answer = await house.http.post(f"{path}/interrupt", headers=stranger)
    problem(answer, 403, "token_other_session")
