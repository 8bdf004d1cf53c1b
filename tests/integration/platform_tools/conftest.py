"""A server that keeps tools; no session is started here, so it has no workers."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.platform_tools.servers import Shop
from tests.integration.platform_tools.servers import serving as serving_app
from tests.integration.whole_server import api_opener


@pytest.fixture
async def open_api(tmp_path: Path) -> AsyncIterator[Callable]:
    async with api_opener(tmp_path) as build:
        yield build


@pytest.fixture
async def shop() -> AsyncIterator[tuple[Shop, str]]:
    """A tool server and its URL."""
    server = Shop()
    async with serving_app(server.app()) as url:
        yield server, url
