"""A server that keeps tools; no session is started here, so it has no workers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.integration.platform_tools.servers import Shop
from tests.integration.platform_tools.servers import serving as serving_app
from tests.integration.whole_server import NoModels, NoWorkers, whole_server
from visavis.settings import Settings


@pytest.fixture
async def open_api(tmp_path: Path) -> AsyncIterator[Callable]:
    """Starts a server with these settings; answers a client for it."""
    async with AsyncExitStack() as stack:

        async def build(**changes: object) -> httpx.AsyncClient:
            settings = Settings(_env_file=None, data_dir=tmp_path, **changes)
            server = whole_server(settings, NoWorkers(), NoModels())
            url, _ = await stack.enter_async_context(server)
            return await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20))

        yield build


@pytest.fixture
async def shop() -> AsyncIterator[tuple[Shop, str]]:
    """A tool server and its URL."""
    server = Shop()
    async with serving_app(server.app()) as url:
        yield server, url
