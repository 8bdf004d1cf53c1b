"""Worker processes that crash, hang and are killed; the server and the records outlive them."""

import os
import signal

from visavis.events import EndReason


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
    held = [worker.sessions for worker in house.placement._workers.values()]
    assert sorted(map(len, held)) == [1, 1]


async def test_a_killed_worker_is_recorded_and_replaced(open_house):
    house = await open_house(workers=1)
    started = await house.start()
    await house.offer(started)
    await house.until(started, lambda record: record["state"] == "conversation")
    (pid,) = house.placement.pids
    os.kill(pid, signal.SIGKILL)
    record = await house.until_ended(started)
    assert record["end_reason"] == "worker_lost"
    transcript = await house.http.get(f"/v1/session/{started['sessionId']}/transcript")
    assert [line["text"] for line in transcript.json()["lines"]] == ["hello there", "hi"]

    await house.until_ready()
    assert house.placement.pids != [pid]
    assert (await house.offer(await house.start())).status_code == 200


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
