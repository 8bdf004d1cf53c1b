"""API keys: made once, kept as hashes, limited by scope, ended at once."""

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from tests.integration.platform_access.asking import audited, bearer, new_key, problem
from visavis.storage.tables import ApiKeyRow


async def test_a_key_lives_and_ends(open_door, database_url):
    house = await open_door(database_url=database_url)
    made = await new_key(house, "agents:read", "keys:read", name="shop")
    assert made["key"].startswith(f"{made['prefix']}_")
    assert len(made["key"].rpartition("_")[2]) >= 40 or "_" in made["key"][12:]
    mine = bearer(made["key"])

    me = (await house.http.get("/v1/me", headers=mine)).json()
    assert (me["kind"], me["scopes"]) == ("key", ["agents:read", "keys:read"])
    assert (await house.http.get("/v1/me")).json()["kind"] == "home"
    shown = (await house.http.get(f"/v1/key/{made['id']}", headers=mine)).json()
    assert shown["name"] == "shop"
    assert "key" not in shown
    listed = (await house.http.get("/v1/key", headers=mine)).json()
    assert [key["id"] for key in listed["data"]] == [made["id"]]

    renamed = await house.http.patch(f"/v1/key/{made['id']}", json={"name": "old shop"})
    assert renamed.json()["name"] == "old shop"
    async with asyncio.timeout(10):
        while True:
            if (await house.http.get(f"/v1/key/{made['id']}")).json()["last_used_at"]:
                break
            await asyncio.sleep(0.1)

    for _ in range(2):
        revoked = await house.http.post(f"/v1/key/{made['id']}/revoke")
        assert revoked.json()["revoked_at"]
    problem(await house.http.get("/v1/me", headers=mine), 401, "key_revoked")
    problem(await house.http.get("/v1/key/nobody"), 404, "key_not_found")
    assert (await house.http.delete(f"/v1/key/{made['id']}")).status_code == 204
    assert len(await audited(house, "key.revoked")) == 1
    assert (await audited(house, "key.created"))[0]["actor"] == "home"
    refused = (await audited(house, "key.refused"))[0]
    assert refused["actor"] == f"key:{made['id']}"
    assert refused["detail"]["code"] == "key_revoked"

    async with house.services.database.read() as session:
        row = (await session.scalars(select(ApiKeyRow))).one()
        stored = [getattr(row, column.name) for column in ApiKeyRow.__table__.columns]
    assert made["key"] not in str(stored)


async def test_a_key_may_do_what_its_scopes_say(open_door):
    house = await open_door()
    made = await new_key(house, "agents:read")
    mine = bearer(made["key"])
    assert (await house.http.get("/v1/agent", headers=mine)).status_code == 200
    refused = await house.http.post("/v1/agent", json={"name": "x"}, headers=mine)
    body = problem(refused, 403, "scope_missing")
    assert body["scope"] == "agents:write"
    problem(await house.http.get("/v1/key", headers=mine), 403, "scope_missing")
    everything = bearer((await new_key(house, "*"))["key"])
    assert (await house.http.get("/v1/key", headers=everything)).status_code == 200
    for token in ("rubbish", made["key"][:-1], made["key"] + "x", "a.b.c", "\u00fc"):
        raw = {"Authorization": f"Bearer {token}".encode("latin-1")}
        answer = await house.http.get("/v1/me", headers=raw)
        body = problem(answer, 401, "key_invalid")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert made["key"] not in answer.text


async def test_a_key_has_power_over_lesser_keys_only(open_door):
    house = await open_door()
    strong = await new_key(house, "*")
    weak = bearer((await new_key(house, "keys:write", "agents:read"))["key"])

    async def ask(scopes: list[str]):
        body = {"name": "child", "scopes": scopes}
        return await house.http.post("/v1/key", json=body, headers=weak)

    child = await ask(["agents:read", "agents:read"])
    assert child.json()["scopes"] == ["agents:read"]
    assert problem(await ask(["agents:write"]), 403, "scope_missing")["scope"] == "agents:write"
    problem(await ask(["*"]), 403, "scope_missing")
    problem(await ask([]), 422, "invalid_request")
    problem(await ask(["agents:fly"]), 422, "invalid_request")
    path = f"/v1/key/{strong['id']}"
    problem(await house.http.delete(path, headers=weak), 403, "scope_missing")
    problem(await house.http.patch(path, json={"name": "x"}, headers=weak), 403, "scope_missing")
    assert (await house.http.get("/v1/me", headers=bearer(strong["key"]))).status_code == 200


async def test_a_key_expires(open_door):
    house = await open_door()
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    made = await new_key(house, "agents:read", expires_at=soon.isoformat())
    mine = bearer(made["key"])
    assert (await house.http.get("/v1/me", headers=mine)).status_code == 200
    await asyncio.sleep(max(0, (soon - datetime.now(UTC)).total_seconds()) + 0.01)
    problem(await house.http.get("/v1/me", headers=mine), 401, "key_expired")
    for moment in ("2020-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "2030-01-01T00:00:00"):
        body = {"name": "x", "scopes": ["agents:read"], "expires_at": moment}
        refused = problem(await house.http.post("/v1/key", json=body), 422, "invalid_request")
        assert refused["field"] == "expires_at"


async def test_home_ends_where_a_key_is_required(open_door):
    strict = await open_door(require_key=True)
    problem(await strict.http.get("/v1/me"), 401, "key_missing")


async def test_behind_a_proxy_nobody_is_at_home(open_door):
    house = await open_door(public_url="https://talk.example")
    problem(await house.http.get("/v1/agent"), 401, "key_missing")


async def test_the_list_of_keys_comes_in_pages(open_door, database_url):
    house = await open_door(database_url=database_url)
    made = [(await new_key(house, "agents:read", name=f"k{n}"))["id"] for n in range(5)]
    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await house.http.get("/v1/key", params=params)).json()
        seen += [key["id"] for key in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(made)
    assert len(set(seen)) == 5
    bad = await house.http.get("/v1/key", params={"cursor": "§"})
    assert problem(bad, 422, "invalid_request")["field"] == "cursor"
