"""kill -9 between and in the midst of attempts: the schedule goes on where it was."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.integration.platform_webhooks.receiver import Receiver

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def server(
    folder: Path, database_url: str
) -> AsyncIterator[tuple[httpx.AsyncClient, Callable]]:
    """A real server process; ``kill()`` is SIGKILL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integration.platform_webhooks.server_process"),
        *(str(folder), database_url),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )

    async def kill() -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()

    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            url = (await process.stdout.readline()).decode().strip()
        async with httpx.AsyncClient(base_url=url, timeout=20) as http:
            yield http, kill
    finally:
        await kill()


async def converse(http: httpx.AsyncClient) -> None:
    started = (await http.post("/v1/start-agent-session", json={"agentId": "demo"})).json()
    answer = await http.post(
        f"/rooms/{started['sessionId']}/api/offer",
        json={"sdp": "v=0", "type": "offer"},
        headers={"Authorization": f"Bearer {started['dailyToken']}"},
    )
    assert answer.status_code == 200, answer.text
    answer = await http.post(f"/v1/session/{started['sessionId']}/end")
    assert answer.is_success, answer.text


async def delivered(http: httpx.AsyncClient) -> dict:
    async with asyncio.timeout(30):
        while True:
            found = (await http.get("/v1/delivery")).json()["data"]
            if found and found[0]["status"] != "pending":
                return found[0]
            await asyncio.sleep(0.05)


async def test_the_schedule_goes_on_after_kill_9(
    tmp_path: Path, receiver: Receiver, database_url: str
) -> None:
    await receiver.up()
    receiver.statuses = [500, 500, "hang"]
    async with server(tmp_path, database_url) as (http, kill):
        hook = await http.post(
            "/v1/webhook", json={"url": receiver.url, "events": ["session.ended"]}
        )
        secret = hook.json()["secret"]
        await converse(http)
        await receiver.until(3, within_s=40)  # the third attempt hangs
        await kill()
    async with server(tmp_path, database_url) as (http, _):
        messages = await receiver.until(4, within_s=40)
        delivery = await delivered(http)
    assert {message.id for message in messages} == {delivery["id"]}
    assert len(receiver.messages) == 4
    for message in messages:
        message.verify(secret)
    assert delivery["status"] == "delivered"
    # The one that was cut off left no trace, and was made again under its number.
    assert [(a["number"], a["status_code"]) for a in delivery["attempts"]] == [
        (1, 500),
        (2, 500),
        (3, 200),
    ]


async def test_servers_on_one_postgres_leave_each_others_attempts_alone_while_they_live(
    tmp_path: Path, receiver: Receiver, new_postgres: Callable[[], str]
) -> None:
    await receiver.up()
    receiver.statuses = ["hang"]
    database_url = new_postgres()
    async with server(tmp_path, database_url) as (first, kill):
        hook = await first.post(
            "/v1/webhook", json={"url": receiver.url, "events": ["session.ended"]}
        )
        await converse(first)
        (cut_off,) = await receiver.until(1, within_s=40)
        async with server(tmp_path, database_url) as (second, _):
            await converse(second)
            (_, other) = await receiver.until(2, within_s=40)
            await asyncio.sleep(2.5)  # the second looks for what is left, more than once
            assert [message.id for message in receiver.messages] == [cut_off.id, other.id]
            await kill()
            *_, again = await receiver.until(3, within_s=40)
            again.verify(hook.json()["secret"])
            assert (again.id, again.body) == (cut_off.id, cut_off.body)
            shown = await delivered_as(second, cut_off.id)
    assert [(a["number"], a["status_code"]) for a in shown["attempts"]] == [(1, 200)]


async def delivered_as(http: httpx.AsyncClient, delivery_id: str) -> dict:
    async with asyncio.timeout(20):
        while True:
            found = (await http.get(f"/v1/delivery/{delivery_id}")).json()
            if found["status"] == "delivered":
                return found
            await asyncio.sleep(0.05)
