"""Who may call whom: drafts, private and public agents."""

from sqlalchemy import select

from tests.integration.platform_agents.conftest import Desk, problem
from visavis.storage.tables import SessionRow


async def test_a_draft_is_for_its_maker(desk: Desk) -> None:
    agent_id = (await desk.create())["id"]
    problem(await desk.start(agent_id), 403, "agent_draft")
    problem(await desk.http.get(f"/v1/meet/{agent_id}"), 403, "agent_draft")
    page = await desk.http.get(f"/meet/{agent_id}")
    assert page.status_code in (403, 503), "503 where the page is not built"
    keys = {
        scope: (await desk.http.post("/v1/key", json={"name": "k", "scopes": [scope]})).json()[
            "key"
        ]
        for scope in ("sessions:write", "agents:write")
    }
    body = {"agentId": agent_id}

    async def start(key: str) -> object:
        headers = {"Authorization": f"Bearer {key}"}
        return await desk.http.post("/v1/start-agent-session", json=body, headers=headers)

    problem(await start(keys["agents:write"]), 403, "scope_missing")
    problem(await start("vv_nonsense"), 401, "key_invalid")
    preview = await start(keys["sessions:write"])
    assert preview.status_code == 200, preview.text
    assert preview.json()["webLink"].endswith(f"/meet/{agent_id}")


async def test_private_agents_are_called_by_id_and_public_ones_found(desk: Desk) -> None:
    private = (await desk.create(publish_status="private"))["id"]
    public = (await desk.create(name="Guide", publish_status="public"))["id"]
    await desk.create(name="Draft")
    for agent_id in (private, public, "demo"):
        assert (await desk.start(agent_id)).status_code == 200
        assert (await desk.http.get(f"/v1/meet/{agent_id}")).status_code == 200
    listed = (await desk.http.get("/v1/meet")).json()
    assert listed == {
        "data": [
            {
                "agentId": public,
                "name": "Guide",
                "language": "en",
                "portraitUrl": "/avatars/ava/portrait.webp",
            }
        ],
        "next_cursor": None,
    }
    await desk.patch(public, publish_status="draft")
    assert (await desk.http.get("/v1/meet")).json()["data"] == []
    problem(await desk.start(public), 403, "agent_draft")


async def test_a_start_tells_what_is_special_about_its_session(desk: Desk) -> None:
    made = await desk.create(publish_status="private", name="Guide")
    await desk.patch(made["id"], name="Guide 2")
    started = await desk.start(
        made["id"],
        metadata={"order": 7},
        context="The caller is Kari.",
        callback_url="https://a.example/end",
        recording_consent=True,
        device_info={"ignored": True},
    )
    assert started.status_code == 200, started.text
    async with desk.services.database.read() as session:
        row = (await session.scalars(select(SessionRow))).one()
    assert (row.agent_id, row.agent_name, row.agent_version) == (made["id"], "Guide 2", 2)
    assert (row.meta, row.callback_url) == ({"order": 7}, "https://a.example/end")
    assert row.configuration["llm"]["provider"] == "default"


async def test_the_worker_gets_the_agents_tools_with_their_secrets(desk: Desk) -> None:
    tool = {
        "name": "book_table",
        "description": "Books a table.",
        "server_url": "https://a.example/book",
        "parameters_schema": {"type": "object", "properties": {}},
        "auth_config": {"type": "bearer", "token": "secret-token"},
    }
    made = await desk.http.post("/v1/tool", json=tool)
    assert made.status_code == 201, made.text
    tool_id = made.json()["id"]
    agent = await desk.create(
        publish_status="private",
        configuration={"tool_calling": {"selected_tool_ids": [tool_id]}},
    )
    started = await desk.start(agent["id"], context="Kari calls.", recording_consent=True)
    assert "secret-token" not in started.text
    spec = await desk.spec_of(started.json())
    assert [(tool.id, tool.name) for tool in spec.tools] == [(tool_id, "book_table")]
    assert spec.tools[0].auth_config.token == "secret-token"
    assert (spec.context, spec.recording_consent) == ("Kari calls.", True)


async def test_the_old_name_of_the_agents_id_works(quick_desk: Desk) -> None:
    old = await quick_desk.http.post("/v1/start-agent-session", json={"agent_id": "demo"})
    assert old.status_code == 200, old.text


async def test_bad_starts_are_told_what_is_wrong(quick_desk: Desk) -> None:
    for body, field in (
        ({}, "agentId"),
        ({"agentId": ""}, "agentId"),
        ({"agentId": "a\x00b"}, "agentId"),
        ({"agentId": "demo", "callback_url": "javascript:alert(1)"}, "callback_url"),
        ({"agentId": "demo", "context": "x" * 4001}, "context"),
        ({"agentId": "demo", "context": "a\x00b"}, "context"),
        ({"agentId": "demo", "metadata": []}, "metadata"),
        ({"agentId": "demo", "recording_consent": "perhaps"}, "recording_consent"),
    ):
        answer = await quick_desk.http.post("/v1/start-agent-session", json=body)
        assert problem(answer, 422, "invalid_request")["field"] == field
    for nobody in ("nobody", "a b", "../etc", "é"):
        problem(await quick_desk.start(nobody), 404, "agent_not_found")
    problem(await quick_desk.http.get("/v1/meet/a%20b"), 404, "agent_not_found")
    assert await quick_desk.session_rows("demo") == 0
