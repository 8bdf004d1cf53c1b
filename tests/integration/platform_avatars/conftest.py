"""A server that makes faces; no session is started here, so it has no workers."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.integration.whole_server import api_opener
from visavis.avatar import rig
from visavis.models.catalogue import FACE_MESH
from visavis.models.download import pull


@pytest.fixture(scope="session", autouse=True)
def face_models() -> None:
    pull(FACE_MESH)


@pytest.fixture
async def open_api(tmp_path: Path) -> AsyncIterator[Callable]:
    async with api_opener(tmp_path) as build:
        yield build


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A JPEG of one face that shows nobody real."""
    pixels = cv2.imdecode(np.frombuffer(rig.portrait("ava"), np.uint8), cv2.IMREAD_COLOR)
    return cv2.imencode(".jpg", pixels)[1].tobytes()
