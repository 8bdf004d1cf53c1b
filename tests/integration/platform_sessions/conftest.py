import json
from collections.abc import AsyncIterator

import httpx

from tests.integration.control_plane.conftest import House, open_house

__all__ = ["House", "open_house"]


def problem(answer: httpx.Response, status: int, code: str) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    return answer.json()


async def frames(answer: httpx.Response) -> AsyncIterator[dict]:
    """The events of an event stream: their ``id``, ``event`` and parsed ``data``."""
    frame: dict = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line and name in ("id", "event", "data"):
            frame[name] = json.loads(value) if name == "data" else value
        elif not line and frame:
            yield frame
            frame = {}
