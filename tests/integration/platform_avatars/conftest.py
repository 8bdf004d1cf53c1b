"""A server that makes faces; no session is started here, so it has no workers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from tests.integration.whole_server import NoModels, NoWorkers, whole_server
from visavis.avatar import rig
from visavis.models.catalogue import FACE_MESH
from visavis.models.download import pull
from visavis.settings import Settings


@pytest.fixture(scope="session", autouse=True)
def face_models() -> None:
    pull(FACE_MESH)


@pytest.fixture
async def open_api(tmp_path: Path) -> AsyncIterator[Callable]:
    """Starts a server with these settings; answers a client for it."""
    async with AsyncExitStack() as stack:

        async def build(**changes: object) -> httpx.AsyncClient:
            settings = Settings(_env_file=None, data_dir=tmp_path, **changes)
            server = whole_server(settings, NoWorkers(), NoModels())
            url, _ = await stack.enter_async_context(server)
            return await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))

        yield build


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A JPEG of one face that shows nobody real."""
    pixels = cv2.imdecode(np.frombuffer(rig.portrait("ava"), np.uint8), cv2.IMREAD_COLOR)
    return cv2.imencode(".jpg", pixels)[1].tobytes()
