"""A whole server on a real socket, with real worker processes that follow a script."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.integration.whole_server import NoModels, whole_server
from visavis.logs import configure_logging
from visavis.server.services import Services
from visavis.sessions.local import LocalPlacement
from visavis.settings import Settings

HERE = Path(__file__).parent


configure_logging("error")


@dataclass
class House:
    """A running server and how to talk to it."""

    url: str
    http: httpx.AsyncClient
    services: Services
    placement: LocalPlacement
    models: NoModels

    async def start(self) -> dict[str, str]:
        answer = await self.http.post("/v1/start-agent-session", json={"agentId": "demo"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def offer(
        self, started: dict[str, str], script: str = "stay", **body: object
    ) -> httpx.Response:
        return await self.http.post(
            f"/rooms/{started['sessionId']}/api/offer",
            json={"sdp": f"v=0 {script}", "type": "offer", **body},
            headers={"Authorization": f"Bearer {started['dailyToken']}"},
        )

    async def session(self, started: dict[str, str]) -> dict[str, object]:
        answer = await self.http.get(f"/v1/session/{started['sessionId']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until(self, started: dict[str, str], wanted: Callable[[dict], bool]) -> dict:
        """Ask until the session's record is as wanted; fails after 15 s."""
        async with asyncio.timeout(15):
            while True:
                if wanted(record := await self.session(started)):
                    return record
                await asyncio.sleep(0.05)

    async def until_ready(self) -> None:
        async with asyncio.timeout(20):
            while True:
                if (await self.http.get("/readyz")).is_success:
                    return
                await asyncio.sleep(0.05)

    async def until_ended(self, started: dict[str, str]) -> dict:
        return await self.until(started, lambda record: record["state"] == "ended")


@pytest.fixture
async def open_house(tmp_path: Path) -> AsyncIterator[Callable]:
    async with AsyncExitStack() as stack:

        async def build(module: str = "scripted_worker", **changes: object) -> House:
            settings = Settings(_env_file=None, data_dir=tmp_path, **changes)
            placement = LocalPlacement(
                settings.workers,
                settings.sessions_per_worker,
                module=module,
                environment={"PYTHONPATH": str(HERE)},
            )
            models = NoModels()
            await stack.enter_async_context(placement)
            server = whole_server(settings, placement, models)
            url, services = await stack.enter_async_context(server)
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20))
            async with asyncio.timeout(60):
                await placement.wait_ready()
            return House(url, http, services, placement, models)

        yield build
