"""A server on a real socket, on either database. No worker stands behind it: nobody talks."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from tests.integration.whole_server import NoModels, NoWorkers, whole_server
from visavis.conversation.spec import SessionSpec
from visavis.server.services import Services
from visavis.sessions.placement import PlacementError
from visavis.settings import Settings
from visavis.storage import slots
from visavis.storage.tables import SessionRow


class RefusingWorkers(NoWorkers):
    """Keep what they are told to open, and open nothing."""

    def __init__(self) -> None:
        self.specs: list[SessionSpec] = []

    async def open(self, spec: SessionSpec, sdp: str, first_seq: int) -> str:
        self.specs.append(spec)
        raise PlacementError("no_worker", "There is none.")


def problem(answer: httpx.Response, status: int, code: str) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["code"], body["status"]) == (code, status)
    return body


@dataclass
class Desk:
    """A running server and what developers ask of it."""

    url: str
    http: httpx.AsyncClient
    services: Services
    workers: RefusingWorkers

    async def create(self, **body: object) -> dict:
        answer = await self.http.post("/v1/agent", json={"name": "Bo", **body})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def get(self, agent_id: str) -> dict:
        answer = await self.http.get(f"/v1/agent/{agent_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def patch(self, agent_id: str, **body: object) -> dict:
        answer = await self.http.patch(f"/v1/agent/{agent_id}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def versions(self, agent_id: str) -> list[dict]:
        answer = await self.http.get(f"/v1/agent/{agent_id}/version", params={"limit": 100})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def single_use(self, **body: object) -> str:
        body.setdefault("configuration", {"llm": {"system_prompt": "Once."}})
        answer = await self.http.post("/v1/ephemeral-agent", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["agent"]["id"]

    async def start(self, agent_id: str, **body: object) -> httpx.Response:
        body = {"agentId": agent_id, **body}
        return await self.http.post("/v1/start-agent-session", json=body)

    async def spec_of(self, started: dict) -> SessionSpec:
        """What a worker would get for this session."""
        answer = await self.http.post(
            f"/rooms/{started['sessionId']}/api/offer",
            json={"sdp": "v=0", "type": "offer"},
            headers={"Authorization": f"Bearer {started['dailyToken']}"},
        )
        problem(answer, 503, "no_worker")
        return self.workers.specs[-1]

    async def free_slots(self) -> int:
        async with self.services.database.read() as session:
            return await slots.count_free(session)

    async def session_rows(self, agent_id: str) -> int:
        query = select(func.count()).where(SessionRow.agent_id == agent_id)
        async with self.services.database.read() as session:
            return (await session.execute(query)).scalar_one()


@pytest.fixture
async def open_desk(tmp_path: Path) -> AsyncIterator[Callable]:
    async with AsyncExitStack() as stack:

        async def build(**changes: object) -> Desk:
            changes = {"start_rate": "10000/minute", **changes}
            settings = Settings(_env_file=None, data_dir=tmp_path / "house", **changes)
            workers = RefusingWorkers()
            server = whole_server(settings, workers, NoModels())
            url, services = await stack.enter_async_context(server)
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))
            return Desk(url, http, services, workers)

        yield build


@pytest.fixture
async def desk(open_desk: Callable, database_url: str) -> Desk:
    """The server on one database; the test runs on each kind."""
    return await open_desk(database_url=database_url)


@pytest.fixture
async def quick_desk(open_desk: Callable) -> Desk:
    """For what has nothing to do with the database."""
    return await open_desk()
