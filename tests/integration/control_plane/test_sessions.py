"""Sessions over HTTP: start, join, read, end; and who may not."""

import asyncio
import time

import jwt

EIGHT = [
    "request",
    "provisioning",
    "room_creation",
    "model_orchestration",
    "webrtc_connection",
    "conversation",
    "analytics",
    "ended",
]


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


async def test_a_session_runs_through_its_eight_states_and_is_recorded(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    assert started["roomUrl"] == f"{house.url}/rooms/{started['sessionId']}"
    assert started["webLink"] == f"{house.url}/meet/demo"
    assert started["iceServers"] == []
    answer = await house.offer(started, "leave")
    assert answer.status_code == 200
    assert answer.json()["type"] == "answer"
    record = await house.until_ended(started)

    assert list(record["states"]) == EIGHT
    assert list(record["states"].values()) == sorted(record["states"].values())
    assert record["end_reason"] == "user_left"
    assert record["turns"][0]["user_text"] == "hello there"
    assert record["turns"][0]["timings"]["voice_to_voice_ms"] == 800.0
    assert record["figures"]["turns"] == 1
    assert record["figures"]["voice_to_voice_median_ms"] == 800.0
    said = (await house.http.get(f"/v1/session/{started['sessionId']}/transcript")).json()
    assert [(line["speaker"], line["text"]) for line in said["lines"]] == [
        ("user", "hello there"),
        ("agent", "hi"),
    ]
    captions = await house.http.get(f"/v1/session/{started['sessionId']}/transcript?format=vtt")
    assert captions.headers["content-type"].startswith("text/vtt")
    assert captions.text.startswith("WEBVTT\n\n00:00:00.")
    assert "<v Ava>hi" in captions.text
    again = await house.offer(started)
    problem(again, 410, "session_ended")


async def test_errors_are_problem_documents(open_house):
    house = await open_house(workers=1)
    body = {"agentId": "nobody"}
    problem(await house.http.post("/v1/start-agent-session", json=body), 404, "agent_not_found")
    malformed = problem(
        await house.http.post("/v1/start-agent-session", json={"agentId": 7}),
        422,
        "invalid_request",
    )
    assert malformed["field"] == "agentId"
    problem(await house.http.get("/nowhere"), 404, "not_found")
    problem(await house.http.put("/v1/start-agent-session"), 405, "method_not_allowed")
    problem(await house.http.get("/v1/session/none"), 404, "session_not_found")
    big = await house.http.post("/v1/start-agent-session", content=b"x" * 300_000)
    problem(big, 413, "body_too_large")

    async def chunks():
        for _ in range(30):
            yield b"x" * 10_000

    problem(
        await house.http.post("/v1/start-agent-session", content=chunks()), 413, "body_too_large"
    )
    named = await house.http.get("/nowhere", headers={"X-Request-ID": "my-id"})
    assert named.json()["request_id"] == "my-id"


async def test_malformed_offers_leave_the_seat_usable(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    url = f"/rooms/{started['sessionId']}/api/offer"
    headers = {"Authorization": f"Bearer {started['dailyToken']}"}
    for body in ({}, {"sdp": "v=0", "type": "answer"}, {"sdp": "nonsense", "type": "offer"}):
        problem(await house.http.post(url, json=body, headers=headers), 400, "bad_offer")
    problem(await house.http.post(url, content=b"{", headers=headers), 400, "bad_offer")
    assert (await house.offer(started)).status_code == 200


async def test_only_the_right_token_joins(open_house):
    house = await open_house(workers=1)
    started, other = await house.start(), await house.start()
    url = f"/rooms/{started['sessionId']}/api/offer"
    body = {"sdp": "v=0 stay", "type": "offer"}

    async def offer(token: str | None):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await house.http.post(url, json=body, headers=headers)

    claims = {"sub": started["sessionId"], "aud": "visavis-room", "exp": time.time() + 60}
    problem(await offer(None), 401, "token_missing")
    problem(await offer("rubbish"), 401, "token_invalid")
    problem(await offer(jwt.encode(claims, "x" * 32, "HS256")), 401, "token_invalid")
    problem(await offer(jwt.encode(claims, None, "none")), 401, "token_invalid")
    late = house.services.tokens.issue(started["sessionId"], int((time.time() - 1) * 1000))
    problem(await offer(late), 401, "token_expired")
    problem(await offer(other["dailyToken"]), 403, "token_other_session")
    in_body = {**body, "requestData": {"token": started["dailyToken"]}}
    assert (await house.http.post(url, json=in_body)).status_code == 200


async def test_after_joining_only_the_same_peer_may_come_back(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    first = (await house.offer(started)).json()
    problem(await house.offer(started), 403, "token_in_use")
    problem(await house.offer(started, pc_id="pc-guess"), 403, "token_in_use")
    again = await house.offer(started, pc_id=first["pc_id"], restart_pc=True)
    assert again.json()["pc_id"] == first["pc_id"]

    url = f"/rooms/{started['sessionId']}/api/offer"
    candidate = {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdp_mid": "0"}
    patch = {"pc_id": first["pc_id"], "candidates": [{**candidate, "sdp_mline_index": 0}]}
    assert (await house.http.patch(url, json=patch)).json() == {"status": "success"}
    problem(await house.http.patch(url, json={**patch, "pc_id": "x"}), 403, "token_in_use")
    bad = {**patch, "candidates": [{"candidate": "x"}]}
    problem(await house.http.patch(url, json=bad), 400, "bad_candidate")


async def test_two_offers_at_once_join_once(open_house):
    house = await open_house(workers=2)
    started = await house.start()
    answers = await asyncio.gather(*(house.offer(started) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [403] * 7


async def test_fifty_starts_at_once_fill_the_house_and_no_more(open_house):
    house = await open_house(workers=2, sessions_per_worker=5)
    answers = await asyncio.gather(
        *(house.http.post("/v1/start-agent-session", json={"agentId": "demo"}) for _ in range(50))
    )
    taken = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(taken) == 10
    for refused in (answer for answer in answers if answer.status_code != 200):
        problem(refused, 503, "capacity_exhausted")
        assert 1 <= int(refused.headers["retry-after"]) <= 30
    joined = await asyncio.gather(*(house.offer(started) for started in taken))
    assert {answer.status_code for answer in joined} == {200}

    ended = await house.http.post(f"/v1/session/{taken[0]['sessionId']}/end")
    assert ended.json()["end_reason"] == "api_ended"
    await house.start()


async def test_a_seat_nobody_takes_comes_free(open_house):
    house = await open_house(workers=1, sessions_per_worker=1, join_seconds=5)
    started = await house.start()
    full = await house.http.post("/v1/start-agent-session", json={"agentId": "demo"})
    problem(full, 503, "capacity_exhausted")
    record = await house.until_ended(started)
    assert record["end_reason"] == "never_joined"
    assert list(record["states"]) == ["request", "provisioning", "analytics", "ended"]
    problem(await house.offer(started), 401, "token_expired")
    await house.start()


async def test_who_may_read_and_end_a_session(open_house):
    house = await open_house(workers=1)
    started, other = await house.start(), await house.start()
    path = f"/v1/session/{started['sessionId']}"

    async def read(**headers: str):
        return await house.http.get(path, headers=headers)

    assert (await read()).status_code == 200
    assert (await read(Authorization=f"Bearer {started['dailyToken']}")).status_code == 200
    stranger = await read(Authorization=f"Bearer {other['dailyToken']}")
    problem(stranger, 403, "token_other_session")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
        {"X-Forwarded-For": "203.0.113.9"},
    ):
        problem(await read(**headers), 401, "key_missing")
    room = f"/rooms/{started['sessionId']}"
    problem(await house.http.delete(room), 401, "token_missing")
    token = {"Authorization": f"Bearer {started['dailyToken']}"}
    assert (await house.http.delete(room, headers=token)).status_code == 204
    assert (await house.session(started))["end_reason"] == "api_ended"


async def test_any_site_may_call_and_no_cookie_is_involved(open_house):
    house = await open_house(workers=1)
    asked = await house.http.options(
        "/v1/start-agent-session",
        headers={
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in asked.headers
    told = await house.http.get("/v1/session", headers={"Origin": "https://shop.example"})
    exposed = set(told.headers["access-control-expose-headers"].split(", "))
    assert exposed >= {"Accept-Ranges", "Content-Range", "ETag", "RateLimit", "RateLimit-Policy"}
    assert exposed >= {"Idempotent-Replayed", "Retry-After", "X-Request-ID"}


async def test_nothing_starts_while_models_are_loading(open_house):
    house = await open_house(workers=1)
    house.models.ready = False
    loading = await house.http.post("/v1/start-agent-session", json={"agentId": "demo"})
    assert problem(loading, 503, "starting")["detail"] == "Not ready yet: models."
    ready = await house.http.get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {
        "ready": False,
        "parts": {"workers": True, "models": False},
        "detail": "Not ready yet: models.",
    }
    assert (await house.http.get("/healthz")).json() == {"status": "ok"}


async def test_a_crash_tells_the_caller_nothing_but_its_request_id(open_house):
    house = await open_house(workers=1)
    await house.services.database.close()
    house.services.sessions.reserve = None  # any bug will do
    answer = await house.http.post(
        "/v1/start-agent-session",
        json={"agentId": "demo"},
        headers={"Origin": "https://shop.example"},
    )
    body = problem(answer, 500, "internal")
    assert body["detail"] == "Something went wrong here."
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_the_page_what_it_asks_for_and_its_policies(open_house):
    house = await open_house(workers=1)
    asked = (await house.http.get("/v1/meet/demo")).json()
    assert asked == {
        "agentId": "demo",
        "name": "Ava",
        "language": "en",
        "portraitUrl": "/avatars/ava/portrait.webp",
        "available": True,
        "recording": False,
    }
    portrait = await house.http.get(asked["portraitUrl"])
    assert portrait.headers["content-type"] == "image/webp"
    assert portrait.content[8:12] == b"WEBP"
    problem(await house.http.get("/avatars/nobody/portrait.webp"), 404, "character_not_found")
    problem(await house.http.get("/v1/meet/nobody"), 404, "agent_not_found")
    home = await house.http.get("/")
    assert home.headers["location"] == "/meet/demo"


async def test_the_page_is_served_with_strict_policies(open_house, tmp_path, monkeypatch):
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    monkeypatch.setattr("visavis.server.routes.meet.WEB", web)
    house = await open_house(workers=1)
    unbuilt = problem(await house.http.get("/meet/demo"), 503, "web_not_built")
    assert "make web" in unbuilt["detail"]
    (web / "meet.html").write_text("<!doctype html>")
    (web / "assets" / "meet-1a2b.js").write_text("export {}")
    page = await house.http.get("/meet/demo")
    assert page.headers["cache-control"] == "no-store"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "microphone=(self)" in page.headers["permissions-policy"]
    asset = await house.http.get("/assets/meet-1a2b.js")
    assert "immutable" in asset.headers["cache-control"]
    problem(await house.http.get("/assets/../meet.html"), 404, "not_found")
    nobody = await house.http.get("/meet/nobody")
    assert nobody.status_code == 404
    assert nobody.headers["content-security-policy"] == policy
