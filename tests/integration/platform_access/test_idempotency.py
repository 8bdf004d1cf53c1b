"""Case 21: the same POST twice is done once, also when both come at once."""

import asyncio
import uuid

from sqlalchemy import select, update

from tests.integration.platform_access.asking import (
    bearer,
    new_key,
    problem,
    sessions_made,
    start,
)
from visavis.server.upkeep import sweep
from visavis.storage.idempotency import STALE_MS
from visavis.storage.tables import IdempotencyRow


async def test_twenty_equal_starts_make_one_session(open_door, database_url):
    house = await open_door(sessions_per_worker=30, database_url=database_url)
    key = str(uuid.uuid4())
    answers = await asyncio.gather(*(start(house, Idempotency_Key=key) for _ in range(20)))
    assert await sessions_made(house) == 1
    done = [answer for answer in answers if answer.status_code == 200]
    assert done
    assert len({answer.text for answer in done}) == 1
    for answer in answers:
        if answer.status_code != 200:
            problem(answer, 409, "idempotency_in_progress")
            assert answer.headers["retry-after"] == "1"

    again = await start(house, Idempotency_Key=key)
    assert again.text == done[0].text
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == "application/json"
    assert again.headers["x-request-id"] != done[0].headers["x-request-id"]
    changed = await house.http.post(
        "/v1/start-agent-session",
        json={"agentId": "demo", "context": "else"},
        headers={"Idempotency-Key": key},
    )
    problem(changed, 422, "idempotency_conflict")
    other_route = await house.http.post(
        "/v1/key", json={"agentId": "demo"}, headers={"Idempotency-Key": key}
    )
    problem(other_route, 422, "idempotency_conflict")
    elsewhere = await start(house, Idempotency_Key=key, Origin="https://shop.example")
    assert elsewhere.status_code == 200  # another caller, so another key
    assert "idempotent-replayed" not in elsewhere.headers
    assert await sessions_made(house) == 2


async def test_secrets_in_answers_are_sealed_and_die_with_their_key(open_door, database_url):
    house = await open_door(database_url=database_url)
    admin = await new_key(house, "*")
    headers = {**bearer(admin["key"]), "Idempotency-Key": "k-1"}
    body = {"name": "child", "scopes": ["agents:read"]}
    first = await house.http.post("/v1/key", json=body, headers=headers)
    again = await house.http.post("/v1/key", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    async with house.services.database.read() as session:
        row = (await session.scalars(select(IdempotencyRow))).one()
        assert first.json()["key"] not in f"{row.body}{row.headers}{row.key}{row.caller}"
    await house.http.delete(f"/v1/key/{admin['id']}")
    problem(await house.http.post("/v1/key", json=body, headers=headers), 401, "key_revoked")


async def test_what_made_nothing_may_be_tried_again(open_door):
    house = await open_door()
    house.models.ready = False
    problem(await start(house, Idempotency_Key="once"), 503, "starting")
    house.models.ready = True
    started = await start(house, Idempotency_Key="once")
    assert started.status_code == 200
    assert "idempotent-replayed" not in started.headers
    for key in ("x" * 256, "two words", ""):
        refused = problem(await start(house, Idempotency_Key=key), 422, "invalid_request")
        assert refused["field"] == "Idempotency-Key"


async def test_a_key_is_not_blocked_by_a_server_that_died(open_door, database_url):
    house = await open_door(database_url=database_url)
    await start(house, Idempotency_Key="torn")

    async def set_row(**values: object) -> None:
        async with house.services.database.write() as session:
            await session.execute(update(IdempotencyRow).values(**values))

    async with house.services.database.read() as session:
        claimed_ms = (await session.scalars(select(IdempotencyRow.created_at))).one()
    await set_row(status=None, body=None)  # as if the server had died at work
    problem(await start(house, Idempotency_Key="torn"), 409, "idempotency_in_progress")
    await set_row(created_at=claimed_ms - STALE_MS - 1)
    answers = await asyncio.gather(*(start(house, Idempotency_Key="torn") for _ in range(5)))
    assert await sessions_made(house) == 2
    assert 200 in {answer.status_code for answer in answers}
    assert {answer.status_code for answer in answers} <= {200, 409}


async def test_answers_are_kept_for_a_day(open_door, database_url):
    house = await open_door(sessions_per_worker=4, database_url=database_url)
    await start(house, Idempotency_Key="daily")
    async with house.services.database.read() as session:
        made_ms = (await session.scalars(select(IdempotencyRow.created_at))).one()
    await sweep(house.services.database, made_ms + 24 * 3_600_000)
    assert (await start(house, Idempotency_Key="daily")).headers["idempotent-replayed"] == "true"
    await sweep(house.services.database, made_ms + 26 * 3_600_000)
    assert "idempotent-replayed" not in (await start(house, Idempotency_Key="daily")).headers


async def test_words_of_a_session_are_never_kept(open_door):
    house = await open_door()
    started = (await start(house)).json()
    path = f"/v1/session/{started['sessionId']}/end"
    for _ in range(2):
        ended = await house.http.post(path, headers={"Idempotency-Key": "end"})
        assert ended.json()["state"] == "ended"
        assert "idempotent-replayed" not in ended.headers
    async with house.services.database.read() as session:
        assert not (await session.scalars(select(IdempotencyRow))).all()
