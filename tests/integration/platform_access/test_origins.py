"""Case 22: room tokens and agent ids are of no use to others."""

import time
import uuid

import jwt

from tests.integration.platform_access.asking import (
    SHOP,
    audited,
    bearer,
    new_agent,
    new_key,
    problem,
    sessions_made,
    start,
)

EVIL = "https://evil.example"


async def offer(house, started: dict, token: str | None = None, **headers: str):
    return await house.http.post(
        f"/rooms/{started['sessionId']}/api/offer",
        json={"sdp": "v=0 stay", "type": "offer"},
        headers={**bearer(token or started["dailyToken"]), **headers},
    )


async def test_an_agent_starts_on_its_own_sites_only(open_door, database_url):
    house = await open_door(sessions_per_worker=20, database_url=database_url)
    agent = await new_agent(house, SHOP, "https://*.example.org", "http://127.0.0.1:3000")
    for stolen in (
        EVIL,
        "null",
        "http://shop.example",
        "https://shop.example:444",
        "https://shop.example.evil.example",
        "https://example.org",
        "https://evilexample.org",
        "http://127.0.0.1:3001",
    ):
        problem(await start(house, agent, Origin=stolen), 403, "origin_refused")
    rows = await audited(house, "origin.refused")
    assert {row["subject"] for row in rows} == {agent}
    assert rows[-1]["detail"]["origin"] == EVIL
    assert await sessions_made(house) == 0

    for site in (SHOP, "https://a.example.org", "https://b.a.example.org", house.url):
        assert (await start(house, agent, Origin=site)).status_code == 200
    assert (await start(house, agent)).status_code == 200  # a program on this machine
    away = {"X_Forwarded_For": "203.0.113.7"}
    problem(await start(house, agent, **away), 401, "key_missing")
    backend = bearer((await new_key(house, "sessions:write"))["key"])
    assert (await start(house, agent, **away, **backend)).status_code == 200
    problem(await start(house, agent, Origin=EVIL, **backend), 403, "origin_refused")
    reader = bearer((await new_key(house, "sessions:read"))["key"])
    problem(await start(house, agent, **away, **reader), 403, "scope_missing")
    assert (await start(house, Origin=EVIL)).status_code == 200  # the demo lists no sites


async def test_a_site_cannot_pose_as_our_page_by_its_name(open_door):
    house = await open_door()
    agent = await new_agent(house, SHOP)
    rebound = {"Host": "evil.example:7860", "Origin": "http://evil.example:7860"}
    problem(await start(house, agent, **rebound), 403, "origin_refused")


async def test_our_page_behind_a_proxy_is_ours(open_door):
    house = await open_door(public_url="https://talk.example/")
    key = bearer(await _local_key(house))
    body = {
        "name": "Shop",
        "publish_status": "public",
        "configuration": {"allowed_origins": [SHOP]},
    }
    agent = (await house.http.post("/v1/agent", json=body, headers=key)).json()["id"]
    assert (await start(house, agent, Origin="https://talk.example")).status_code == 200
    problem(await start(house, agent, Origin=house.url), 403, "origin_refused")


async def _local_key(house) -> str:
    from visavis.storage import keys

    async with house.services.database.write() as session:
        return keys.create(session, "first", ["*"], None)[1]


async def test_a_token_works_on_the_site_that_asked_for_it(open_house):
    house = await open_house(workers=1)
    started = (await start(house, Origin=SHOP)).json()
    for headers in ({"Origin": EVIL}, {"Origin": "null"}, {}):
        problem(await offer(house, started, **headers), 403, "token_other_origin")
    path = f"/v1/session/{started['sessionId']}"
    token = bearer(started["dailyToken"])
    problem(
        await house.http.get(path, headers={**token, "Origin": EVIL}), 403, "token_other_origin"
    )
    assert (await house.http.get(path, headers=token)).status_code == 200
    assert (await offer(house, started, Origin=SHOP)).status_code == 200
    room = f"/rooms/{started['sessionId']}"
    refused = await house.http.delete(room, headers={**token, "Origin": EVIL})
    problem(refused, 403, "token_other_origin")
    ended = await house.http.delete(room, headers={**token, "Origin": SHOP})
    assert ended.status_code == 204
    problem(await offer(house, started, Origin=SHOP), 410, "session_ended")
    rows = await audited(house, "token.refused")
    assert {row["subject"] for row in rows} == {started["sessionId"]}
    assert started["dailyToken"] not in str(rows)


async def test_forged_late_and_foreign_tokens_open_nothing(open_house):
    house = await open_house(workers=1)
    started, other = (await start(house)).json(), (await start(house)).json()
    claims = {"sub": started["sessionId"], "aud": "visavis-room", "exp": time.time() + 60}
    secret = house.services.tokens._secret
    for forged in (
        jwt.encode(claims, None, "none"),
        jwt.encode(claims, secret * 2, "HS512"),
        jwt.encode(claims, b"x" * 32, "HS256"),
        jwt.encode({**claims, "aud": "other"}, secret, "HS256"),
        "a.b.c",
        "\u00e4",
    ):
        raw = {"Authorization": f"Bearer {forged}".encode("latin-1")}
        problem(await offer(house, started, **raw), 401, "token_invalid")
    late = house.services.tokens.issue(started["sessionId"], int((time.time() - 1) * 1000))
    problem(await offer(house, started, late), 401, "token_expired")
    problem(await offer(house, started, other["dailyToken"]), 403, "token_other_session")
    key = await new_key(house, "*")
    problem(await offer(house, started, key["key"]), 401, "token_invalid")
    ghost = {"sessionId": str(uuid.uuid4()), "dailyToken": started["dailyToken"]}
    problem(await offer(house, ghost), 403, "token_other_session")

    codes = {row["detail"]["code"] for row in await audited(house, "token.refused")}
    assert codes == {"token_invalid", "token_expired", "token_other_session"}
    assert (await offer(house, started)).status_code == 200
    assert await sessions_made(house) == 2


async def test_a_room_token_is_no_key_to_anything_else(open_door):
    house = await open_door()
    started = (await start(house)).json()
    token = bearer(started["dailyToken"])
    for path in ("/v1/agent", "/v1/key", "/v1/audit", "/v1/me"):
        problem(await house.http.get(path, headers=token), 401, "key_invalid")


async def test_refusals_cannot_fill_the_disk(open_door):
    house = await open_door()
    agent = await new_agent(house, SHOP)
    for _ in range(30):
        problem(
            await start(house, agent, Origin=EVIL, Sec_Fetch_Site="cross-site"),
            403,
            "origin_refused",
        )
    assert len(await audited(house, "origin.refused")) == 10
