"""The guard inside somebody else's httpx2 client (as the mcp package's)."""

import gzip

import httpx2
import pytest

from tests.integration.net.receiver import says, stranger
from visavis.net.client import GuardedClient, OutgoingError


async def test_a_client_with_our_transport_calls_what_is_allowed() -> None:
    packed = says("200 OK", gzip.compress(b"hello"), content_encoding="gzip")
    async with (
        stranger(packed) as host,
        GuardedClient(["127.0.0.1"]) as guarded,
        httpx2.AsyncClient(transport=guarded.transport()) as client,
    ):
        answer = await client.get(f"http://127.0.0.1:{host.port}/")
    assert answer.text == "hello"


async def test_a_client_with_our_transport_calls_nothing_else() -> None:
    async with (
        stranger(says("302 Found", location="http://169.254.169.254/")) as host,
        GuardedClient(["127.0.0.1"]) as guarded,
        httpx2.AsyncClient(transport=guarded.transport(), follow_redirects=True) as client,
    ):
        for url in (f"http://127.0.0.1:{host.port}/", f"http://127.0.0.2:{host.port}/"):
            with pytest.raises(OutgoingError, match="may not be called"):
                await client.get(url)


async def test_its_answers_are_bounded() -> None:
    async with (
        stranger(says("200 OK", bytes(5000))) as host,
        GuardedClient(["127.0.0.1"]) as g,
        httpx2.AsyncClient(transport=g.transport(max_bytes=4000)) as client,
    ):
        with pytest.raises(OutgoingError, match="too large"):
            await client.get(f"http://127.0.0.1:{host.port}/")
