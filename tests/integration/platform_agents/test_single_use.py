"""Single-use agents: one session ever, also when fifty want it at once."""

import asyncio
from collections import Counter
from datetime import datetime

import pytest
from sqlalchemy import update

from tests.integration.platform_agents.conftest import Desk, problem
from visavis.server.upkeep import sweep
from visavis.sessions.live import now_ms
from visavis.storage.tables import AgentRow

FIFTY = 50


async def race(desk: Desk, agent_id: str) -> Counter:
    answers = await asyncio.gather(*(desk.start(agent_id) for _ in range(FIFTY)))
    return Counter((answer.status_code, answer.json().get("code")) for answer in answers)


@pytest.mark.parametrize("capacity", [60, 3])
async def test_of_fifty_starts_at_once_one_wins(open_desk, database_url, capacity) -> None:
    desk = await open_desk(database_url=database_url, workers=1, sessions_per_worker=capacity)
    agent_id = await desk.single_use()
    assert await race(desk, agent_id) == {(200, None): 1, (410, "agent_used"): FIFTY - 1}
    assert await desk.session_rows(agent_id) == 1
    assert await desk.free_slots() == capacity - 1


async def test_a_full_house_does_not_use_the_agent_up(open_desk, database_url) -> None:
    desk = await open_desk(database_url=database_url, workers=1, sessions_per_worker=1)
    taken = (await desk.start("demo")).json()
    agent_id = await desk.single_use()
    assert await race(desk, agent_id) == {(503, "capacity_exhausted"): FIFTY}
    assert await desk.session_rows(agent_id) == 0
    assert (await desk.get(agent_id))["kind"] == "ephemeral"
    ended = await desk.http.post(f"/v1/session/{taken['sessionId']}/end")
    assert ended.is_success, ended.text
    assert await race(desk, agent_id) == {(200, None): 1, (410, "agent_used"): FIFTY - 1}
    assert await desk.free_slots() == 0


async def test_after_its_session_the_agent_is_gone(desk: Desk) -> None:
    agent_id = await desk.single_use(metadata={"user": "u1"})
    agent = await desk.get(agent_id)
    assert (agent["kind"], agent["metadata"]) == ("ephemeral", {"user": "u1"})
    alive = await desk.http.get(f"/v1/meet/{agent_id}")
    assert alive.status_code == 200
    started = await desk.start(agent_id)
    assert started.status_code == 200
    await desk.http.post(f"/v1/session/{started.json()['sessionId']}/end")
    problem(await desk.start(agent_id), 410, "agent_used")
    problem(await desk.http.get(f"/v1/agent/{agent_id}"), 410, "agent_used")
    problem(await desk.http.get(f"/v1/meet/{agent_id}"), 410, "agent_used")
    assert (await desk.http.delete(f"/v1/agent/{agent_id}")).status_code == 204
    problem(await desk.http.get(f"/v1/agent/{agent_id}"), 404, "agent_not_found")


async def test_after_its_time_the_agent_is_gone(desk: Desk) -> None:
    agent_id = await desk.single_use(ttl_seconds=60)
    await _let_it_expire(desk, agent_id, ago_ms=1)
    for answer in (
        await desk.start(agent_id),
        await desk.http.get(f"/v1/agent/{agent_id}"),
        await desk.http.get(f"/v1/meet/{agent_id}"),
    ):
        problem(answer, 410, "agent_expired")
    assert await desk.session_rows(agent_id) == 0
    await _let_it_expire(desk, agent_id, ago_ms=25 * 3600 * 1000)
    await sweep(desk.services.database, now_ms())
    problem(await desk.http.get(f"/v1/agent/{agent_id}"), 404, "agent_not_found")


async def test_time_bounds_the_start_and_has_limits(quick_desk: Desk) -> None:
    answer = await quick_desk.http.post("/v1/ephemeral-agent", json={"configuration": {}})
    agent = answer.json()["agent"]
    assert set(agent) == {"id", "expires_at", "created_at"}
    created, expires = (
        datetime.fromisoformat(agent[name]) for name in ("created_at", "expires_at")
    )
    assert (expires - created).total_seconds() == 300
    for ttl, status in ((59, 422), (60, 201), (86_400, 201), (86_401, 422)):
        body = {"configuration": {}, "ttl_seconds": ttl}
        answer = await quick_desk.http.post("/v1/ephemeral-agent", json=body)
        assert answer.status_code == status
    missing = await quick_desk.http.post("/v1/ephemeral-agent", json={})
    assert problem(missing, 422, "invalid_request")["field"] == "configuration"


async def test_it_is_not_edited_but_may_be_taken_back_or_kept(quick_desk: Desk) -> None:
    agent_id = await quick_desk.single_use()
    path = f"/v1/agent/{agent_id}"
    problem(await quick_desk.http.patch(path, json={"name": "x"}), 409, "agent_single_use")
    rollback = await quick_desk.http.post(f"{path}/rollback", json={"version": 1})
    problem(rollback, 409, "agent_single_use")
    kept = (await quick_desk.http.post(f"{path}/duplicate", json={"name": "Kept"})).json()
    assert (kept["kind"], kept["name"], kept["expires_at"]) == ("permanent", "Kept", None)
    assert (await quick_desk.http.delete(path)).status_code == 204
    problem(await quick_desk.start(agent_id), 404, "agent_not_found")


async def _let_it_expire(desk: Desk, agent_id: str, ago_ms: int) -> None:
    async with desk.services.database.write() as session:
        row = await session.get_one(AgentRow, agent_id)
        shift = row.updated_at - ago_ms
        await session.execute(
            update(AgentRow).where(AgentRow.id == agent_id).values(expires_at=shift)
        )
