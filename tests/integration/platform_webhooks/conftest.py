"""A server without workers, on a real socket, that tries again quickly."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.platform_webhooks.conversation import Stage
from tests.integration.platform_webhooks.receiver import Receiver
from tests.integration.whole_server import whole_server
from visavis.agents.demo import DEMO
from visavis.agents.schema import Agent, AgentConfiguration
from visavis.events import EndReason
from visavis.jobs.schedule import Schedule
from visavis.logs import configure_logging
from visavis.server.services import Services
from visavis.sessions.live import StartOptions
from visavis.settings import Settings

configure_logging("critical")

QUICK = Schedule((0.1,) * 12, jitter=0)


@dataclass
class House:
    http: httpx.AsyncClient
    services: Services

    async def webhook(self, url: str, *events: str) -> dict[str, Any]:
        body = {"url": url, "events": list(events or ("*",))}
        answer = await self.http.post("/v1/webhook", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def converse(self, options: StartOptions | None = None, **configuration: Any) -> str:
        """One whole session; answers its id."""
        agent = DEMO
        if configuration:
            changed = AgentConfiguration.model_validate(configuration)
            agent = Agent(id="agent-1", name="Agent", configuration=changed)
        sessions = self.services.sessions
        reservation = await sessions.reserve(agent, options)
        await sessions.offer(reservation.session_id, "v=0", None)
        await sessions.flush()
        await sessions.end(reservation.session_id, EndReason.API_ENDED)
        return reservation.session_id

    async def get(self, path: str, **params: str) -> dict[str, Any]:
        answer = await self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def deliveries(self, **params: str) -> list[dict[str, Any]]:
        return (await self.get("/v1/delivery", limit="100", **params))["data"]

    async def until(self, wanted: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Look at all deliveries until they are as wanted."""
        async with asyncio.timeout(20):
            while True:
                if wanted(found := await self.deliveries()):
                    return found
                await asyncio.sleep(0.05)

    async def until_settled(self) -> list[dict[str, Any]]:
        """Wait until nothing is pending."""
        return await self.until(lambda found: all(d["status"] != "pending" for d in found))

    async def until_tried(self) -> list[dict[str, Any]]:
        """Wait until there is something, and every delivery was tried once at least."""
        return await self.until(lambda found: bool(found) and all(d["attempts"] for d in found))


@pytest.fixture
async def open_house(tmp_path: Path) -> AsyncIterator[Callable]:
    """``await build(database_url)`` starts a server; it ends with the test or by ``stop()``."""
    async with AsyncExitStack() as outer:

        async def build(
            database_url: str, schedule: Schedule = QUICK, **changes: Any
        ) -> tuple[House, AsyncExitStack]:
            changes.setdefault("outgoing_allow", ["127.0.0.1"])
            settings = Settings(
                _env_file=None, data_dir=tmp_path, database_url=database_url, **changes
            )
            stage = Stage()
            stack = await outer.enter_async_context(AsyncExitStack())
            server = whole_server(settings, stage, stage, redelivery=schedule)
            url, services = await stack.enter_async_context(server)
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20))
            return House(http, services), stack

        yield build


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    yield receiver
    await receiver.down()
