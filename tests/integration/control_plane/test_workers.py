"""Worker processes that crash, hang and are killed; the server and the records outlive them."""

import asyncio
import os
import signal

from visavis.events import EndReason
from visavis.sessions import lifecycle, worker_process


async def test_a_crashing_session_does_not_touch_its_neighbour(open_house):
    house = await open_house(workers=1, sessions_per_worker=2)
    neighbour, doomed = await house.start(), await house.start()
    await house.offer(neighbour)
    await house.offer(doomed, "crash")
    record = await house.until_ended(doomed)
    assert record["end_reason"] == "error"
    assert record["figures"]["errors"] == 1
    assert (await house.session(neighbour))["state"] == "conversation"


async def test_two_sessions_run_in_two_workers(open_house):
    house = await open_house(workers=2, sessions_per_worker=2)
    first, second = await house.start(), await house.start()
    await house.offer(first)
    await house.offer(second)
    held = [worker.sessions for worker in house.placement._workers]
    assert sorted(map(len, held)) == [1, 1]


async def test_a_killed_worker_costs_only_its_own_sessions(open_house):
    house = await open_house(workers=2, sessions_per_worker=1)
    doomed, other = await house.start(), await house.start()
    await house.offer(doomed)
    await house.offer(other, "obey")
    full = await house.http.post("/v1/start-agent-session", json={"agentId": "demo"})
    assert full.status_code == 503
    await house.until(doomed, lambda record: record["state"] == "conversation")
    held = {tuple(w.sessions): w.pid for w in house.placement._workers}
    pid, neighbour = held[doomed["sessionId"],], held[other["sessionId"],]
    os.kill(pid, signal.SIGKILL)

    record = await house.until_ended(doomed)
    assert record["end_reason"] == "worker_lost"
    assert record["figures"]["duration_ms"] >= 0
    assert record["figures"]["agent_talk_ms"] >= 1
    path = f"/v1/session/{doomed['sessionId']}"
    transcript = await house.http.get(f"{path}/transcript")
    assert [line["text"] for line in transcript.json()["lines"]] == ["hello there", "hi"]
    log = (await house.http.get(f"{path}/events?format=json")).json()["data"]
    assert [item["seq"] for item in log] == list(range(len(log)))
    assert [item["event"]["type"] for item in log][-2:] == ["ended", "state"]

    say = await house.http.post(f"/v1/session/{other['sessionId']}/say", json={"text": "On!"})
    assert say.status_code == 202  # the other session did not notice
    assert (await house.session(other))["state"] == "conversation"
    assert neighbour in house.placement.pids
    async with asyncio.timeout(20):
        while True:
            workers = list(house.placement._workers)
            if len(workers) == 2 and all(worker.ready for worker in workers):
                break
            await asyncio.sleep(0.05)
    assert pid not in house.placement.pids
    assert (await house.offer(await house.start())).status_code == 200  # in the seat that it left


async def test_a_worker_that_retires_is_replaced_before_its_last_session_ends(open_house):
    house = await open_house(workers=1, sessions_per_worker=2)
    stubborn, neighbour = await house.start(), await house.start()
    await house.offer(stubborn, "stubborn")
    await house.offer(neighbour, "obey")
    await house.until(stubborn, lambda record: record["state"] == "conversation")
    (pid,) = house.placement.pids
    ended = await house.http.post(f"/v1/session/{stubborn['sessionId']}/end")
    assert ended.json()["end_reason"] == "api_ended"
    assert (await house.session(neighbour))["state"] == "conversation"
    say = await house.http.post(f"/v1/session/{neighbour['sessionId']}/say", json={"text": "On!"})
    assert say.status_code == 202
    await house.until_ready()
    guest = await house.start()
    assert (await house.offer(guest)).status_code == 200
    old, new = house.placement._workers
    assert (old.pid, old.sessions) == (pid, {neighbour["sessionId"]})
    assert new.sessions == {guest["sessionId"]}
    assert house.placement.pids == [pid, new.pid]
    say = await house.http.post(f"/v1/session/{neighbour['sessionId']}/say", json={"text": "On!"})
    assert say.status_code == 202
    ended = await house.http.post(f"/v1/session/{neighbour['sessionId']}/end")
    assert ended.json()["end_reason"] == "api_ended"
    async with asyncio.timeout(10):
        while True:
            if not _alive(pid):
                break
            await asyncio.sleep(0.05)
    assert house.placement.pids == [new.pid]
    assert (await house.session(guest))["state"] == "conversation"


async def test_a_retiring_worker_that_dies_loses_only_its_own_and_is_not_replaced_twice(open_house):
    house = await open_house(workers=1, sessions_per_worker=2)
    stubborn, doomed = await house.start(), await house.start()
    await house.offer(stubborn, "stubborn")
    await house.offer(doomed)
    await house.until(stubborn, lambda record: record["state"] == "conversation")
    (pid,) = house.placement.pids
    await house.http.post(f"/v1/session/{stubborn['sessionId']}/end")
    await house.until_ready()
    guest = await house.start()
    assert (await house.offer(guest)).status_code == 200
    os.kill(pid, signal.SIGKILL)
    assert (await house.until_ended(doomed))["end_reason"] == "worker_lost"
    assert (await house.session(guest))["state"] == "conversation"
    (worker,) = house.placement._workers
    assert worker.ready
    await house.placement.stop()
    assert not _alive(worker.pid)


async def test_a_room_that_opens_too_late_is_closed_again(open_house, monkeypatch):
    monkeypatch.setattr(worker_process, "REQUEST_S", 0.3)
    house = await open_house(workers=1, sessions_per_worker=1)
    started = await house.start()
    assert (await house.offer(started, "slow")).json()["code"] == "worker_timeout"
    record = await house.until_ended(started)
    assert record["end_reason"] == "error"
    assert "conversation" not in record["states"]
    monkeypatch.undo()
    (worker,) = house.placement._workers
    assert worker.sessions == set()
    assert (await house.offer(await house.start())).status_code == 200


async def test_a_session_that_outlasts_its_lease_is_ended(open_house, monkeypatch):
    monkeypatch.setattr(lifecycle, "OVERTIME_MS", -29_000)
    house = await open_house(workers=1)
    started, other = await house.start(), await house.start()
    path = f"/v1/session/{started['sessionId']}"
    await house.http.patch(path, json={"max_duration_seconds": 30})
    await house.offer(started)  # its worker does not watch the time
    await house.offer(other)
    record = await house.until_ended(started)
    assert record["end_reason"] == "max_duration"
    assert (await house.session(other))["state"] == "conversation"


async def test_a_seat_that_is_only_reserved_costs_no_worker(open_house):
    house = await open_house(workers=1, join_seconds=5)
    started = await house.start()
    (worker,) = house.placement._workers
    assert worker.sessions == set()
    answer = await house.http.post(f"/v1/session/{started['sessionId']}/end")
    assert answer.json()["joined_at"] is None
    assert answer.json()["figures"]["duration_ms"] == 0
    await house.start()
    assert worker.sessions == set()


async def test_a_worker_that_hangs_is_killed(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    await house.offer(started, "hang")
    (pid,) = house.placement.pids
    record = await house.until_ended(started)
    assert record["end_reason"] == "worker_lost"
    assert "conversation" in record["states"]
    assert not _alive(pid)


async def test_a_native_crash_in_a_session_is_a_lost_worker(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    await house.offer(started, "die")
    assert (await house.until_ended(started))["end_reason"] == "worker_lost"


async def test_stopping_ends_sessions_and_leaves_nobody_behind(open_house):
    house = await open_house(workers=2)
    started = await house.start()
    await house.offer(started)
    pids = house.placement.pids
    await house.services.sessions.end_all(EndReason.SERVER_STOPPED)
    assert (await house.session(started))["end_reason"] == "server_stopped"
    await house.placement.stop()
    assert not any(map(_alive, pids))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
