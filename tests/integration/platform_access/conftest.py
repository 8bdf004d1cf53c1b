"""Whole servers on real sockets. Most tests here ask for no room, so no worker need be started."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.integration.control_plane.conftest import House, open_house
from tests.integration.whole_server import NoModels, whole_server
from visavis.sessions.local import LocalPlacement
from visavis.settings import Settings

__all__ = ["open_door", "open_house"]


class NoWorkers(LocalPlacement):
    """Takes reservations; whoever joins finds no worker."""

    ready = True

    def __init__(self) -> None:
        super().__init__(0, 0)


@pytest.fixture
async def open_door(tmp_path: Path) -> AsyncIterator[Callable]:
    """As ``open_house``, without workers."""
    async with AsyncExitStack() as stack:

        async def build(**changes: object) -> House:
            settings = Settings(_env_file=None, data_dir=tmp_path, workers=1, **changes)
            placement, models = await stack.enter_async_context(NoWorkers()), NoModels()
            server = whole_server(settings, placement, models)
            url, services = await stack.enter_async_context(server)
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20))
            return House(url, http, services, placement, models)

        yield build
