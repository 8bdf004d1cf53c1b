"""Case 19: tools whose URLs or servers mean harm. All refused, and the model gets a safe text."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.integration.platform_tools.servers import Shop, raw_server
from tests.integration.platform_tools.test_toolbox import OSLO, tool
from visavis.net.client import GuardedClient
from visavis.tools.outcome import ToolOutcome
from visavis.tools.toolbox import Toolbox


async def ask(http: GuardedClient, url: str, **fields: object) -> ToolOutcome:
    async with Toolbox([tool(url, **fields)], http, session_id="s") as box:
        return await box.call("ask", OSLO)


def resolver(*answers: Sequence[str]):
    """A name server that answers these in turn, the last one for ever."""
    left = list(answers)

    async def resolve(host: str) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://10.1.2.3/",
        "http://192.168.0.1/admin",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/",
        "http://100.100.100.200/",
        "file:///etc/passwd",
    ],
)
async def test_inner_addresses_are_refused_at_the_call(shop: tuple[Shop, str], url: str) -> None:
    """A tool stored before the rules changed, or an agent moved from elsewhere."""
    server, there = shop
    inner = url.replace("{port}", there.rpartition(":")[2])
    async with GuardedClient(resolve=resolver(["169.254.169.254"])) as http:
        definition = tool("https://example.com/").model_copy(update={"server_url": inner})
        async with Toolbox([definition], http, session_id="s") as box:
            outcome = await box.call("ask", OSLO)
    assert (outcome.ok, outcome.error_code) == (False, "url_refused")
    assert outcome.text == "The tool's address may not be called."
    assert server.seen == []


async def test_a_name_that_turns_private_is_refused(shop: tuple[Shop, str]) -> None:
    """DNS rebinding: public when it was looked at, private when it is called."""
    server, url = shop
    port = url.rpartition(":")[2]
    for answers in (["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"]):
        async with GuardedClient(resolve=resolver(answers)) as http:
            outcome = await ask(http, f"http://rebind.example:{port}/")
        assert (outcome.ok, outcome.error_code) == (False, "url_refused")
    assert server.seen == []


async def test_every_call_is_checked_anew() -> None:
    """A name that was fine for the first call is looked up again for the next."""

    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()

    async with raw_server(hang_up) as good:
        port = good.rpartition(":")[2]
        allow = [f"127.0.0.1:{port}"]
        resolve = resolver(["127.0.0.1"], ["127.0.0.2"])
        async with GuardedClient(allow, resolve=resolve) as http:
            first = await ask(http, f"http://rebind.example:{port}/")
            second = await ask(http, f"http://rebind.example:{port}/")
    assert first.ok
    assert (second.ok, second.error_code) == (False, "url_refused")


async def test_a_redirect_to_inner_addresses_is_not_followed() -> None:
    asked = 0

    async def redirect(writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        await writer.drain()

    async with raw_server(redirect) as url, GuardedClient(["127.0.0.1"]) as http:
        outcome = await ask(http, url)
    assert (outcome.ok, outcome.error_code) == (False, "redirect_refused")
    assert "169.254" not in outcome.text
    assert asked == 1


@pytest.mark.parametrize("length", [b"Content-Length: 1073741824\r\n", b""])
async def test_a_body_of_a_gigabyte_is_broken_off(length: bytes) -> None:
    written = 0

    async def pour(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + length + b"\r\n")
        for _ in range(1024):
            writer.write(b"x" * (1 << 20))
            await writer.drain()
            written += 1 << 20

    async with raw_server(pour) as url, GuardedClient(["127.0.0.1"]) as http:
        outcome = await ask(http, url)
    assert (outcome.ok, outcome.error_code) == (False, "response_too_large")
    assert outcome.text == "The tool's answer is too large."
    assert written < 64 << 20


async def test_a_body_that_drips_is_broken_off() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with raw_server(drip) as url, GuardedClient(["127.0.0.1"]) as http:
        outcome = await ask(http, url, timeout_seconds=1)
    assert (outcome.ok, outcome.error_code) == (False, "timeout")
    assert 1000 <= outcome.took_ms < 10_000


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
async def test_what_is_no_http_is_unreachable(answer: bytes) -> None:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with raw_server(reply) as url, GuardedClient(["127.0.0.1"]) as http:
        outcome = await ask(http, url)
    assert (outcome.ok, outcome.error_code) == (False, "unreachable")
    assert outcome.text == "The tool cannot be reached."


@pytest.mark.parametrize("kind", ["too large", "slow"])
async def test_mcp_servers_are_held_to_the_same_limits(kind: str) -> None:
    async def pour(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        for _ in range(10_000):
            writer.write(b" " * (1 if kind == "slow" else 1 << 20))
            await writer.drain()
            await asyncio.sleep(0.01)

    async with raw_server(pour) as url, GuardedClient(["127.0.0.1"]) as http:
        server = tool(url, name="library", kind="mcp", timeout_seconds=1)
        async with Toolbox([server], http, session_id="s") as box:
            await box.connect()
            assert box.offered == ()
            assert (
                box.left_out["id-library"]
                == {
                    "too large": "The tool's answer is too large.",
                    "slow": "The tool did not answer in time.",
                }[kind]
            )


async def test_an_mcp_server_that_moves_inside_is_refused() -> None:
    """Its name turns private after the tools were listed elsewhere."""
    async with GuardedClient(resolve=resolver(["127.0.0.1"])) as http:
        server = tool("http://mcp.example/mcp", name="library", kind="mcp")
        async with Toolbox([server], http, session_id="s") as box:
            await box.connect()
            assert box.offered == ()
            assert box.left_out["id-library"] == "The tool's address may not be called."
