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
