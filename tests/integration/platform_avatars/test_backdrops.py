"""Pictures behind faces, fetched from a server on this machine."""

import os

import cv2
import numpy as np
from fastapi import FastAPI, Response

from tests.integration.platform_tools.servers import serving
from visavis.net.client import GuardedClient
from visavis.sessions.backdrops import FRESH_S, Backdrops


def picture(shade: int) -> bytes:
    return cv2.imencode(".png", np.full((32, 32, 3), shade, np.uint8))[1].tobytes()


async def test_a_picture_is_fetched_kept_and_fetched_anew(tmp_path) -> None:
    app, asked = FastAPI(), []

    @app.get("/wall.png")
    async def wall() -> Response:
        asked.append(1)
        return Response(picture(len(asked)), media_type="image/png")

    @app.get("/page")
    async def page() -> Response:
        return Response("<html>", media_type="text/html")

    async with serving(app) as url, GuardedClient(["127.0.0.0/8"]) as http:
        backdrops = Backdrops(tmp_path, http)
        first = await backdrops.file(f"{url}/wall.png")
        assert first.read_bytes() == picture(1)
        assert await backdrops.file(f"{url}/wall.png") == first
        old = first.stat().st_mtime - FRESH_S - 1
        os.utime(first, (old, old))
        second = await backdrops.file(f"{url}/wall.png")
        assert (second.read_bytes(), first.exists()) == (picture(2), False)
        assert await backdrops.file(f"{url}/page") is None
        assert await backdrops.file(f"{url}/nothing") is None
    os.utime(second, (old, old))
    async with GuardedClient(["127.0.0.0/8"]) as http:
        assert await Backdrops(tmp_path, http).file(f"{url}/wall.png") == second
    async with GuardedClient() as http:
        assert await Backdrops(tmp_path / "new", http).file(f"{url}/wall.png") is None
