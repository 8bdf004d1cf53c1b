"""Permanent agents over REST: made, changed, listed, rolled back, copied and deleted."""

import asyncio

from tests.integration.platform_agents.conftest import Desk, problem
from visavis.agents.schema import AgentConfiguration
from visavis.api.page import ACCOUNT_ID

QUICKSTART = {
    "llm": {
        "model": "default",
        "provider": "embedded",
        "system_prompt": "You are a guide.",
        "first_message": "Welcome!",
    },
    "tts": {"provider": "embedded", "voice_id": "heart"},
    "video": {"provider": "puppet", "character_id": "ava"},
}


async def test_the_life_of_an_agent(desk: Desk) -> None:
    made = await desk.create(configuration=QUICKSTART, metadata={"team": "north"})
    assert (made["user_id"], made["publish_status"], made["kind"]) == (
        ACCOUNT_ID,
        "draft",
        "permanent",
    )
    assert made["version"] == 1
    assert made["created_at"].endswith("Z")
    assert made["expires_at"] is None
    configuration = made["configuration"]
    assert set(configuration) == set(AgentConfiguration.model_fields), "whole, with defaults"
    assert configuration["llm"]["first_message"] == "Welcome!"
    assert configuration["stt"]["cost_per_minute"] == 0
    assert await desk.get(made["id"]) == made

    changed = await desk.patch(
        made["id"],
        name="Guide",
        publish_status="public",
        configuration={"llm": {"temperature": 1}, "allowed_origins": ["https://a.example"]},
        metadata={"team": None, "floor": 2},
    )
    assert (changed["name"], changed["publish_status"], changed["version"]) == (
        "Guide",
        "public",
        2,
    )
    assert changed["configuration"]["llm"]["temperature"] == 1
    assert changed["configuration"]["llm"]["system_prompt"] == "You are a guide."
    assert changed["metadata"] == {"floor": 2}
    assert changed["created_at"] == made["created_at"]

    back = await desk.patch(made["id"], configuration={"llm": {"temperature": None}})
    assert back["configuration"]["llm"]["temperature"] == 0.3
    deleted = await desk.http.delete(f"/v1/agent/{made['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    problem(await desk.http.get(f"/v1/agent/{made['id']}"), 404, "agent_not_found")
    problem(await desk.http.delete(f"/v1/agent/{made['id']}"), 404, "agent_not_found")
    problem(await desk.start(made["id"]), 404, "agent_not_found")


async def test_versions_are_kept_and_brought_back(desk: Desk) -> None:
    agent_id = (await desk.create(metadata={"n": 1}))["id"]
    await desk.patch(agent_id, metadata={"n": 2}, configuration={"language": "en-GB"})
    same = await desk.patch(agent_id, name="Bo", metadata={"n": 2})
    assert same["version"] == 2, "what changes nothing makes no version"
    again = await desk.patch(agent_id, configuration=same["configuration"])
    assert again["version"] == 2, "nor does the whole answer sent back"

    path = f"/v1/agent/{agent_id}/rollback"
    rolled = (await desk.http.post(path, json={"version": 1})).json()
    assert (rolled["version"], rolled["metadata"]) == (3, {"n": 1})
    assert rolled["configuration"]["language"] == "en"
    await desk.patch(agent_id, publish_status="public")
    kept = (await desk.http.post(path, json={"version": 2})).json()
    assert (kept["metadata"], kept["publish_status"]) == ({"n": 2}, "public")
    assert [(row["version"], row["note"]) for row in await desk.versions(agent_id)] == [
        (5, "rolled back to version 2"),
        (4, "changed publish_status"),
        (3, "rolled back to version 1"),
        (2, "changed configuration.language, metadata.n"),
        (1, "created"),
    ]
    second = (await desk.http.get(f"/v1/agent/{agent_id}/version/2")).json()
    assert (second["metadata"], second["configuration"]["language"]) == ({"n": 2}, "en-GB")
    problem(await desk.http.get(f"/v1/agent/{agent_id}/version/9"), 404, "version_not_found")
    problem(await desk.http.post(path, json={"version": 9}), 404, "version_not_found")

    first = (await desk.http.get(f"/v1/agent/{agent_id}/version", params={"limit": 3})).json()
    after = {"limit": 3, "cursor": first["next_cursor"]}
    rest = (await desk.http.get(f"/v1/agent/{agent_id}/version", params=after)).json()
    assert [row["version"] for row in first["data"] + rest["data"]] == [5, 4, 3, 2, 1]
    assert rest["next_cursor"] is None


async def test_changes_at_the_same_time_all_survive(desk: Desk) -> None:
    agent_id = (await desk.create())["id"]
    await asyncio.gather(*(desk.patch(agent_id, metadata={f"k{n}": n}) for n in range(20)))
    agent = await desk.get(agent_id)
    assert agent["metadata"] == {f"k{n}": n for n in range(20)}
    assert agent["version"] == 21
    assert [row["version"] for row in await desk.versions(agent_id)] == list(range(21, 0, -1))


async def test_a_list_is_read_page_by_page(desk: Desk) -> None:
    made = [(await desk.create(name=f"Agent {n % 2}"))["id"] for n in range(5)]
    await desk.single_use()
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await desk.http.get("/v1/agent", params={"limit": 2, **cursor})
        page = answer.json()
        seen += [agent["id"] for agent in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(seen) == sorted(made), "each once; no single-use ones"
    ones = (await desk.http.get("/v1/agent", params={"name": "Agent 1"})).json()["data"]
    assert {agent["id"] for agent in ones} == {made[1], made[3]}
    public = (await desk.http.get("/v1/agent", params={"publish_status": "public"})).json()
    assert public == {"data": [], "next_cursor": None}
    for bad in ("x", "AAAA", "é", "MS4"):
        body = problem(
            await desk.http.get("/v1/agent", params={"cursor": bad + "%"}), 422, "invalid_request"
        )
        assert body["field"] == "cursor"


async def test_the_demo_agent_is_read_and_copied_but_never_changed(desk: Desk) -> None:
    demo = await desk.get("demo")
    assert (demo["id"], demo["name"], demo["version"]) == ("demo", "Ava", 1)
    stored = (await desk.http.get("/v1/agent/demo/version/1")).json()
    assert stored["configuration"]["stt"]["cost_per_minute"] is None
    assert [row["version"] for row in await desk.versions("demo")] == [1]
    patched = await desk.http.patch("/v1/agent/demo", json={"name": "Eve"})
    assert "duplicate" in problem(patched, 409, "agent_builtin")["detail"]
    problem(await desk.http.delete("/v1/agent/demo"), 409, "agent_builtin")
    copied = await desk.http.post("/v1/agent/demo/duplicate", json={})
    assert copied.status_code == 201
    copy = copied.json()
    assert (copy["name"], copy["publish_status"], copy["version"]) == ("Ava (copy)", "draft", 1)
    assert copy["configuration"] == demo["configuration"]
    bodyless = await desk.http.post("/v1/agent/demo/duplicate")
    assert (bodyless.status_code, bodyless.json()["name"]) == (201, "Ava (copy)")
    assert (await desk.patch(copy["id"], name="Eve"))["name"] == "Eve"


async def test_rates_of_the_house_are_shown_and_not_stored(open_desk, database_url) -> None:
    desk = await open_desk(database_url=database_url, llm_cost_per_minute=0.25)
    made = await desk.create(configuration={"tts": {"cost_per_minute": 0.5}})
    rates = {name: made["configuration"][name]["cost_per_minute"] for name in ("llm", "stt", "tts")}
    assert rates == {"llm": 0.25, "stt": 0, "tts": 0.5}
    stored = (await desk.http.get(f"/v1/agent/{made['id']}/version/1")).json()["configuration"]
    assert (stored["llm"]["cost_per_minute"], stored["tts"]["cost_per_minute"]) == (None, 0.5)


async def test_import_over_rest_makes_a_draft_and_tells_what_is_lost(quick_desk: Desk) -> None:
    persona = {"name": "Cara", "systemPrompt": "Help.", "voiceId": "v"}
    body = {"from": "anam", "document": persona}
    answer = await quick_desk.http.post("/v1/agent/import", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["agent"]["name"], made["agent"]["publish_status"]) == ("Cara", "draft")
    assert [lost["field"] for lost in made["not_carried"]] == ["voiceId"]
    german = {"from": "anam", "document": {**persona, "languageCode": "de"}}
    told = problem(
        await quick_desk.http.post("/v1/agent/import", json=german), 422, "unknown_choice"
    )
    assert (told["field"], told["allowed"]) == ("configuration.language", ["en"])


BAD = [
    (b"{", 400, "bad_json", None),
    (b"[]", 422, "invalid_request", None),
    (b'{"name": ""}', 422, "invalid_request", "name"),
    (b'{"name": "a\\u0000b"}', 422, "invalid_request", "name"),
    (b'{"name": "\\ud800"}', 400, "bad_json", None),
    (b'{"name": "B", "nmae": 1}', 422, "invalid_request", "nmae"),
    (b'{"name": "B", "publish_status": "open"}', 422, "invalid_request", "publish_status"),
    (b'{"name": "B", "metadata": {"a": NaN}}', 400, "bad_json", None),
    (b'{"name": "B", "metadata": {"\\udfff": 1}}', 400, "bad_json", None),
    (b'{"name": "B", "metadata": {"a": "\\ud800"}}', 400, "bad_json", None),
    (b'{"name": "B", "configuration": {"llm": {"temperature": 3}}}', 422, "invalid_request",
     "configuration.llm.temperature"),
    (b'{"name": "B", "configuration": {"llm": {"custom_url": "ftp://x"}}}', 422,
     "invalid_request", "configuration.llm.custom_url"),
]  # fmt: skip


async def test_bad_agents_are_told_what_is_wrong(quick_desk: Desk) -> None:
    headers = {"Content-Type": "application/json"}
    for body, status, code, field in BAD:
        answer = await quick_desk.http.post("/v1/agent", content=body, headers=headers)
        assert problem(answer, status, code).get("field") == field, body
    assert (await quick_desk.http.get("/v1/agent")).json()["data"] == []


async def test_a_bad_patch_changes_nothing(quick_desk: Desk) -> None:
    made = await quick_desk.create()
    path = f"/v1/agent/{made['id']}"
    for patch, field in (
        ({"name": None}, "name"),
        ({"configuration": {"llm": {"temperature": 3}}}, "configuration.llm.temperature"),
        ({"configuration": {"llm": "fast"}}, "configuration.llm"),
        ({"configuration": {"lmm": {}}}, "configuration.lmm"),
        ({"configuration": []}, "configuration"),
        ({"metadata": {str(n): n for n in range(101)}}, "metadata"),
        ({"id": "x"}, "id"),
    ):
        told = problem(await quick_desk.http.patch(path, json=patch), 422, "invalid_request")
        assert told["field"] == field
    problem(await quick_desk.http.patch("/v1/agent/a%20b", json={}), 422, "invalid_request")
    assert await quick_desk.get(made["id"]) == made
    reset = await quick_desk.patch(made["id"], configuration=None, metadata=None)
    assert reset["version"] == 1
