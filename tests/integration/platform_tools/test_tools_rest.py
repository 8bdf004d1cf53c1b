"""``/v1/tool``: what is stored, what is shown, what is refused."""

from visavis.storage.tables import ToolRow

WEATHER = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "server_url": "https://example.com/weather",
    "parameters_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
SECRETS = {
    "headers": {"X-Tenant": "tenant-7781", "Accept": "text/csv"},
    "auth_config": {"type": "bearer", "token": "tok-9f2c"},
}


async def create(api, **fields):
    answer = await api.post("/v1/tool", json={**WEATHER, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_tool_is_created_read_changed_and_deleted(database_url, open_api):
    api = await open_api(database_url=database_url)
    tool = await create(api, tags=["weather"])
    assert tool == {
        **WEATHER,
        "id": tool["id"],
        "user_id": "00000000-0000-4000-8000-000000000001",
        "kind": "webhook",
        "method": "POST",
        "headers": {},
        "timeout_seconds": 20,
        "is_async": False,
        "strict_params": True,
        "payload_format": "envelope",
        "auth_config": {},
        "allowed_tools": [],
        "tags": ["weather"],
        "created_at": tool["created_at"],
        "updated_at": tool["created_at"],
    }
    path = f"/v1/tool/{tool['id']}"
    changed = await api.patch(path, json={"timeout_seconds": 5, "tags": None})
    assert changed.status_code == 200, changed.text
    assert changed.json()["timeout_seconds"] == 5
    assert changed.json()["tags"] == []
    assert (await api.get(path)).json() == changed.json()
    assert (await api.delete(path)).status_code == 204
    gone = await api.get(path)
    assert gone.status_code == 404
    assert gone.json()["code"] == "tool_not_found"
    assert (await api.patch(path, json={})).status_code == 404
    assert (await api.delete(path)).status_code == 404


async def test_lists_go_page_by_page_and_filter_by_name_and_tag(database_url, open_api):
    api = await open_api(database_url=database_url)
    for number in range(5):
        await create(api, name=f"tool_{number}", tags=["even"] if number % 2 == 0 else ["a_b", "å"])
    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/v1/tool", params=params)).json()
        seen += [tool["name"] for tool in page["data"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert sorted(seen) == [f"tool_{number}" for number in range(5)]

    async def names(**params):
        page = (await api.get("/v1/tool", params=params)).json()
        return sorted(tool["name"] for tool in page["data"])

    assert await names(tag="even") == ["tool_0", "tool_2", "tool_4"]
    assert await names(tag="å") == ["tool_1", "tool_3"]
    assert await names(tag="a_b") == ["tool_1", "tool_3"]
    assert await names(tag="axb") == []
    assert await names(tag="eve") == []
    assert await names(name="tool_3") == ["tool_3"]
    bad = await api.get("/v1/tool", params={"cursor": "%%%"})
    assert (bad.status_code, bad.json()["field"]) == (422, "cursor")


async def test_secrets_are_never_answered_and_lie_sealed(database_url, open_api):
    api = await open_api(database_url=database_url)
    tool = await create(api, **SECRETS)
    assert tool["headers"] == {"X-Tenant": "[REDACTED]", "Accept": "[REDACTED]"}
    assert tool["auth_config"] == {"type": "bearer", "token": "[REDACTED]"}
    basic = {"type": "basic", "username": "ann", "password": "pw-33aa"}
    changed = await api.patch(f"/v1/tool/{tool['id']}", json={"auth_config": basic})
    assert changed.json()["auth_config"] == {**basic, "password": "[REDACTED]"}
    everything = changed.text + (await api.get("/v1/tool")).text
    for secret in ("tenant-7781", "tok-9f2c", "pw-33aa"):
        assert secret not in everything


async def test_the_row_holds_no_secret_in_clear(open_api, tmp_path):
    api = await open_api()
    await create(api, **SECRETS)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("visavis.db*"))
    assert ToolRow.__tablename__.encode() in stored
    assert b"tok-9f2c" not in stored
    assert b"tenant-7781" not in stored


async def test_redacted_sent_back_keeps_the_secret(open_api, shop):
    server, url = shop
    api = await open_api(outgoing_allow=["127.0.0.1"])
    tool = await create(api, server_url=f"{url}/weather", **SECRETS)
    path = f"/v1/tool/{tool['id']}"
    patch = {
        "description": "New.",
        "headers": {"x-tenant": "[REDACTED]", "Accept": None, "X-New": "plain"},
        "auth_config": {"type": "bearer", "token": "[REDACTED]"},
    }
    changed = await api.patch(path, json=patch)
    assert changed.status_code == 200, changed.text
    assert changed.json()["headers"] == {"x-tenant": "[REDACTED]", "X-New": "[REDACTED]"}
    await api.post(f"{path}/test", json={"parameters": {"city": "Oslo"}})
    seen = server.seen[0].headers
    assert seen["authorization"] == "Bearer tok-9f2c"
    assert (seen["x-tenant"], seen["x-new"]) == ("tenant-7781", "plain")


async def test_redacted_keeps_nothing_where_there_is_nothing(open_api):
    api = await open_api()
    auth = {"type": "api_key", "key": "[REDACTED]"}
    answer = await api.post("/v1/tool", json={**WEATHER, "auth_config": auth})
    assert (answer.status_code, answer.json()["field"]) == (422, "auth_config.key")
    tool = await create(api, **SECRETS)
    answer = await api.patch(f"/v1/tool/{tool['id']}", json={"auth_config": auth})
    assert (answer.status_code, answer.json()["field"]) == (422, "auth_config.key")


REFUSED = [
    ({"name": "end_call"}, "name"),
    ({"name": "Get Weather"}, "name"),
    ({"server_url": None}, "server_url"),
    ({"server_url": "ftp://example.com"}, "server_url"),
    ({"server_url": "https://{city}.example.com/"}, "server_url"),
    ({"server_url": "https://example.com/?q={city}"}, "server_url"),
    ({"server_url": "https://example.com/{town}"}, "server_url"),
    ({"server_url": "https://example.com\\@evil.example/"}, "server_url"),
    ({"server_url": "http://[::1"}, "server_url"),
    ({"kind": "client"}, "server_url"),
    ({"kind": "mcp", "server_url": None}, "server_url"),
    ({"timeout_seconds": 0}, "timeout_seconds"),
    ({"timeout_seconds": 301}, "timeout_seconds"),
    ({"headers": {"Host": "inner"}}, "headers"),
    ({"headers": {"X-A": "a", "x-a": "b"}}, "headers"),
    ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers.X-A"),
    ({"auth_config": {"type": "api_key", "header": "Host", "key": "k"}}, "auth_config.header"),
    ({"auth_config": {"type": "magic"}}, "auth_config"),
    ({"auth_config": {"type": []}}, "auth_config"),
    ({"tags": ["\x00"]}, "tags.0"),
    ({"colour": "red"}, "colour"),
    ({"parameters_schema": {"type": "array"}}, "parameters_schema"),
    ({"parameters_schema": {"type": "object", "required": 1}}, "parameters_schema"),
    ({"parameters_schema": {"type": "object", "$ref": "http://x.example"}}, "parameters_schema"),
    (
        {"parameters_schema": {"type": "object", "properties": {"a": {"pattern": "(?=a)"}}}},
        "parameters_schema",
    ),
]


async def test_what_cannot_be_used_is_refused_with_its_field(open_api):
    api = await open_api()
    for fields, field in REFUSED:
        answer = await api.post("/v1/tool", json={**WEATHER, **fields})
        assert answer.status_code == 422, (fields, answer.text)
        assert answer.json()["code"] == "invalid_request", fields
        assert answer.json()["field"] == field, (fields, answer.text)
    assert (await api.get("/v1/tool")).json()["data"] == []


NEVER_CALLED = [
    "http://10.0.0.7/hook",
    "http://169.254.169.254/latest/meta-data",
    "http://2130706433/",
    "http://[::ffff:127.0.0.1]/",
    "http://localhost:8080/",
    "http://user:pass@example.com/",
]


async def test_addresses_that_are_never_called_are_refused_when_saved(open_api):
    api = await open_api()
    path = f"/v1/tool/{(await create(api))['id']}"
    for url in NEVER_CALLED:
        for answer in (
            await api.post("/v1/tool", json={**WEATHER, "server_url": url}),
            await api.patch(path, json={"server_url": url}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (422, "outgoing_refused"), url
            assert answer.json()["field"] == "server_url"


async def test_patch_checks_the_whole_tool(open_api):
    api = await open_api()
    path = f"/v1/tool/{(await create(api))['id']}"
    refused = await api.patch(path, json={"kind": "client"})
    assert (refused.status_code, refused.json()["field"]) == (422, "server_url")
    refused = await api.patch(path, json={"name": None})
    assert (refused.status_code, refused.json()["field"]) == (422, "name")
    accepted = await api.patch(path, json={"kind": "client", "server_url": None})
    assert (accepted.status_code, accepted.json()["kind"]) == (200, "client")


async def test_a_tool_in_use_is_kept_unless_forced(database_url, open_api):
    api = await open_api(database_url=database_url)
    tool = await create(api)
    path = f"/v1/tool/{tool['id']}"
    configuration = {"tool_calling": {"selected_tool_ids": [tool["id"]]}}
    agent = await api.post("/v1/agent", json={"name": "Ann", "configuration": configuration})
    assert agent.status_code == 201, agent.text
    refused = await api.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "tool_in_use")
    assert refused.json()["agents"] == [{"id": agent.json()["id"], "name": "Ann"}]
    assert (await api.get(path)).status_code == 200
    assert (await api.delete(path, params={"force": True})).status_code == 204
    assert (await api.get(path)).status_code == 404


async def test_what_was_done_is_in_the_audit(open_api):
    api = await open_api()
    tool = await create(api)
    await api.patch(f"/v1/tool/{tool['id']}", json={"tags": ["a"]})
    await api.delete(f"/v1/tool/{tool['id']}")
    entries = (await api.get("/v1/audit")).json()["data"]
    done = {entry["action"] for entry in entries if entry["subject"] == tool["id"]}
    assert done == {"tool.created", "tool.changed", "tool.deleted"}
