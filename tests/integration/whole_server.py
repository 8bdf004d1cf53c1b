"""A whole server on a real socket, for tests that need no conversation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from visavis.agents.schema import Agent
from visavis.logs import configure_logging
from visavis.providers.base import Endpoint
from visavis.server.opening import open_services
from visavis.server.run import listen, serving
from visavis.server.services import Services
from visavis.sessions.endpoints import Endpoints
from visavis.settings import Settings

configure_logging("error")


class NoModels:
    """Stands where the model host stands; scripted conversations call no model."""

    ready = True

    def endpoints(self, agent: Agent) -> Endpoints:
        nowhere = Endpoint(base_url="http://127.0.0.1:9/v1", api_key="", model="none")
        return Endpoints(nowhere, nowhere, nowhere)


class NoWorkers:
    """Stands where the workers stand; nobody calls it."""

    ready = True

    async def reports(self) -> AsyncIterator[object]:
        await asyncio.Event().wait()
        yield


@asynccontextmanager
async def api_opener(data_dir: Path) -> AsyncIterator[Callable]:
    """Opens servers without workers or models, with these settings; answers clients for them."""
    async with AsyncExitStack() as stack:

        async def build(**changes: object) -> httpx.AsyncClient:
            settings = Settings(_env_file=None, data_dir=data_dir, **changes)
            server = whole_server(settings, NoWorkers(), NoModels())
            url, _ = await stack.enter_async_context(server)
            return await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))

        yield build


@asynccontextmanager
async def whole_server(
    settings: Settings, placement: object, models: object, **more: object
) -> AsyncIterator[tuple[str, Services]]:
    """Everything but processes, at a free port: its URL, and what its routes work with."""
    async with open_services(settings, placement, models, **more) as services:  # type: ignore[arg-type]
        listener = listen("127.0.0.1", 0)
        async with serving(services, listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", services
