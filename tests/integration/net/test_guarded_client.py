"""Case 19: whatever a URL given by a user does, only what may be called is called, within limits.

Names are answered by a resolver of the test's own; sockets, servers and certificates are real.
"""

import asyncio
import gzip
import zlib
from collections.abc import Sequence

import pytest

from tests.integration.net.receiver import Asked, says, stranger
from visavis.net.client import GuardedClient, OutgoingError


class Names:
    """A name server: each look-up of a name gives its next answer, the last one for ever."""

    def __init__(self, **answers: Sequence[str]) -> None:
        self._answers = {name.replace("_", "."): list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        given = self._answers.get(host)
        if given is None:
            raise OSError("no such name")
        answer = given.pop(0) if len(given) > 1 else given[0]
        return answer.split()


async def refused(client: GuardedClient, url: str, **more: object) -> OutgoingError:
    with pytest.raises(OutgoingError) as caught:
        await client.request("GET", url, **more)
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://a.localhost:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://127.0.0.1.:{port}/",
        "http://0.0.0.0:{port}/",
        "http://inner.test:{port}/",
        "http://INNER.test.:{port}/",
        "http://mixed.test:{port}/",
        "http://mapped.test:{port}/",
        "http://nat64.test:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/",
        "http://[fd00:ec2::254]/",
        "ftp://open.test/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "http://user:secret@open.test/",
        "http:///nowhere",
        "http://[::1",
        "http://open.test:0/",
        "http://xn--.x=y/",
        "http://a%20b/",
        "http://-.%5b/",
        "http://open.test:99999/",
        "http://open.test\r\nX: y/",
        "//open.test/",
        "",
    ],
)
async def test_inner_addresses_are_refused_in_every_spelling(url: str) -> None:
    names = Names(
        inner_test=["127.0.0.1"],
        mixed_test=["8.8.8.8 127.0.0.1"],
        mapped_test=["::ffff:127.0.0.1"],
        nat64_test=["64:ff9b::7f00:1"],
        metadata_google_internal=["8.8.8.8"],
        open_test=["8.8.8.8"],
    )
    async with stranger(says("200 OK")) as host, GuardedClient(resolve=names) as client:
        error = await refused(client, url.format(port=host.port))
    assert error.code == "url_refused"
    assert host.connections == 0
    assert "127.0.0.1" not in error.message
    assert "secret" not in error.message


async def test_a_name_is_looked_up_once_and_the_checked_address_called() -> None:
    """Rebinding: the second answer would lead inside, but nobody asks a second time."""
    names = Names(rebind_test=["127.0.0.1", "127.0.0.2"])
    async with (
        stranger(says("200 OK", b"one")) as host,
        GuardedClient(["127.0.0.1/32"], resolve=names) as client,
    ):
        url = f"http://rebind.test:{host.port}/"
        first = await client.request("GET", url)
        await asyncio.sleep(0)
        again = await client.request("GET", url)  # on the same connection
    assert (first.body, again.body) == (b"one", b"one")
    assert host.connections == 1
    assert names.asked == ["rebind.test"]
    assert host.asked[0].headers["host"] == f"rebind.test:{host.port}"


async def test_a_name_that_turns_inward_is_refused_at_the_next_connection() -> None:
    names = Names(rebind_test=["127.0.0.1", "127.0.0.2"])
    async with (
        stranger(says("200 OK", connection="close")) as host,
        GuardedClient(["127.0.0.1/32"], resolve=names) as client,
    ):
        url = f"http://rebind.test:{host.port}/"
        assert (await client.request("GET", url)).status == 200
        error = await refused(client, url)
    assert error.code == "url_refused"
    assert names.asked == ["rebind.test", "rebind.test"]


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    names = Names(two_test=["127.0.0.9 127.0.0.1"])
    async with (
        stranger(says("200 OK")) as host,
        GuardedClient(["127.0.0.0/8"], resolve=names) as client,
    ):
        assert (await client.request("GET", f"http://two.test:{host.port}/")).status == 200


async def test_an_international_name_is_called_by_its_ascii_form() -> None:
    names = Names(**{"xn--bcher-kva_test": ["127.0.0.1"]})
    async with stranger(says("200 OK")) as host:
        url = f"http://bücher.test:{host.port}/"
        async with GuardedClient(["xn--bcher-kva.test"], resolve=names) as client:
            assert (await client.request("GET", url)).status == 200
        async with GuardedClient(resolve=names) as client:
            assert (await refused(client, url)).code == "url_refused"
    assert host.asked[0].headers["host"] == f"xn--bcher-kva.test:{host.port}"


async def test_unknown_names_and_closed_ports_are_unreachable() -> None:
    async with GuardedClient(["127.0.0.1"], resolve=Names()) as client:
        assert (await refused(client, "http://nobody.test/")).code == "unreachable"
        assert (await refused(client, "http://127.0.0.1:9/")).code == "unreachable"


async def test_a_dead_name_server_is_a_timeout() -> None:
    async def silent(_host: str) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    async with GuardedClient(resolve=silent) as client:
        error = await refused(client, "http://slow.test/", timeout_s=0.1)
    assert error.code == "timeout"


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stranger(says("418 proxy")) as proxy, stranger(says("200 OK")) as host:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with GuardedClient(["127.0.0.1"]) as client:
            answer = await client.request("GET", f"http://127.0.0.1:{host.port}/")
    assert answer.status == 200
    assert proxy.connections == 0


async def test_a_redirect_inward_is_refused() -> None:
    names = Names(open_test=["127.0.0.1"], inner_test=["127.0.0.2"])
    async with (
        stranger(says("200 OK"), host="127.0.0.2") as inner,
        stranger(says("302 Found", location=f"http://inner.test:{inner.port}/")) as outer,
        GuardedClient(["127.0.0.1"], resolve=names) as client,
    ):
        error = await refused(client, f"http://open.test:{outer.port}/", redirects=3)
    assert error.code == "url_refused"
    assert inner.connections == 0


async def test_without_leave_a_redirect_is_just_an_answer() -> None:
    async with (
        stranger(says("302 Found", location="http://169.254.169.254/")) as host,
        GuardedClient(["127.0.0.1"]) as client,
    ):
        answer = await client.request("GET", f"http://127.0.0.1:{host.port}/")
    assert answer.status == 302


async def test_redirects_are_counted() -> None:
    async with (
        stranger(says("302 Found", location="/again")) as host,
        GuardedClient(["127.0.0.1"]) as client,
    ):
        error = await refused(client, f"http://127.0.0.1:{host.port}/", redirects=2)
    assert error.code == "redirect_refused"
    assert len(host.asked) == 3


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "http://u:p@127.0.0.1/", "http://[", "http://a%20b/", "gopher://x/"],
)
async def test_a_redirect_to_something_odd_is_refused(location: str) -> None:
    async with (
        stranger(says("302 Found", location=location)) as host,
        GuardedClient(["127.0.0.1"]) as client,
    ):
        error = await refused(client, f"http://127.0.0.1:{host.port}/", redirects=2)
    assert error.code in ("url_refused", "redirect_refused")


async def test_keys_do_not_follow_to_another_origin() -> None:
    names = Names(one_test=["127.0.0.1"], two_test=["127.0.0.1"])
    secrets = {"Authorization": "Bearer s", "Cookie": "s=1", "X-Api-Key": "s", "Accept": "text/*"}
    async with stranger(says("200 OK")) as two:
        there = f"http://two.test:{two.port}/"
        async with (
            stranger(says("307 Go", location=there, set_cookie="a=b")) as one,
            GuardedClient(["127.0.0.1"], resolve=names) as client,
        ):
            url = f"http://one.test:{one.port}/"
            await client.request("POST", url, headers=secrets, body=b"{}", redirects=1)
            await client.request("GET", url)
    assert one.asked[0].headers["x-api-key"] == "s"
    assert "cookie" not in one.asked[1].headers
    arrived = two.asked[0]
    assert arrived.line.startswith("POST ")
    assert arrived.body == b"{}"
    assert arrived.headers["accept"] == "text/*"
    assert not {"authorization", "cookie", "x-api-key"} & set(arrived.headers)


async def test_after_303_it_is_a_get_without_a_body_and_keys_stay_at_home() -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        first = asked.line.startswith("POST")
        await (says("303 See", location="/done") if first else says("200 OK"))(asked, writer)

    async with stranger(answer) as host, GuardedClient(["127.0.0.1"]) as client:
        await client.request(
            "POST",
            f"http://127.0.0.1:{host.port}/",
            headers={"Authorization": "Bearer s"},
            body=b"{}",
            redirects=1,
        )
    assert host.asked[1].line == "GET /done HTTP/1.1"
    assert host.asked[1].body == b""
    assert host.asked[1].headers["authorization"] == "Bearer s"


async def test_a_gigabyte_is_cut_off_early() -> None:
    sent = 0

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
        for _ in range(1024):
            writer.write(bytes(1 << 20))
            await writer.drain()
            sent += 1

    async with stranger(answer) as host, GuardedClient(["127.0.0.1"]) as client:
        error = await refused(client, f"http://127.0.0.1:{host.port}/", max_bytes=1 << 20)
    assert error.code == "response_too_large"
    assert sent < 64


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1])
async def test_the_limit_is_exact(size: int) -> None:
    async with (
        stranger(says("200 OK", bytes(size))) as host,
        GuardedClient(["127.0.0.1"]) as client,
    ):
        asked = client.request("GET", f"http://127.0.0.1:{host.port}/", max_bytes=1 << 20)
        if size <= 1 << 20:
            assert len((await asked).body) == size
        else:
            with pytest.raises(OutgoingError, match="too large"):
                await asked


async def test_a_gzip_bomb_is_cut_off() -> None:
    bomb = gzip.compress(bytes(200 << 20), 9)
    async with (
        stranger(says("200 OK", bomb, content_encoding="gzip")) as host,
        GuardedClient(["127.0.0.1"]) as client,
    ):
        error = await refused(client, f"http://127.0.0.1:{host.port}/", max_bytes=1 << 20)
    assert error.code == "response_too_large"


async def test_packed_answers_are_unpacked() -> None:
    text = b"a sentence, and again a sentence. " * 10_000
    async with (
        stranger(says("200 OK", gzip.compress(text), content_encoding="gzip")) as host,
        GuardedClient(["127.0.0.1"]) as client,
    ):
        answer = await client.request("GET", f"http://127.0.0.1:{host.port}/")
    assert answer.body == text
    assert host.asked[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"this is no gzip"),
        ("gzip", gzip.compress(b"cut" * 1000)[:-12]),
        ("br", b"x"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x"))),
        ("deflate", zlib.compress(b"x")),
    ],
    ids=["no gzip", "cut off", "br", "twice", "deflate"],
)
async def test_what_cannot_be_unpacked_is_an_error(encoding: str, body: bytes) -> None:
    async with (
        stranger(says("200 OK", body, content_encoding=encoding)) as host,
        GuardedClient(["127.0.0.1"]) as client,
    ):
        error = await refused(client, f"http://127.0.0.1:{host.port}/")
    assert error.code == "unreachable"


async def test_a_body_that_drips_is_a_timeout() -> None:
    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with stranger(answer) as host, GuardedClient(["127.0.0.1"]) as client:
        error = await refused(client, f"http://127.0.0.1:{host.port}/", timeout_s=0.3)
    assert error.code == "timeout"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"x-filler: " + b"y" * 300_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(50_000)) + b"\r\n",
    ],
    ids=["silence", "ssh", "bad-length", "short", "long-header", "many-headers"],
)
async def test_answers_that_are_no_http_are_errors(raw: bytes) -> None:
    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        writer.close()

    async with stranger(answer) as host, GuardedClient(["127.0.0.1"]) as client:
        error = await refused(client, f"http://127.0.0.1:{host.port}/")
    assert error.code == "unreachable"


@pytest.mark.parametrize(
    "headers", [{"X-Bad": "a\r\nHost: evil"}, {"bad name": "x"}, {"X-Bad": "caf\u2603"}]
)
async def test_headers_that_are_no_http_are_refused(headers: dict[str, str]) -> None:
    async with stranger(says("200 OK")) as host, GuardedClient(["127.0.0.1"]) as client:
        error = await refused(client, f"http://127.0.0.1:{host.port}/", headers=headers)
    assert error.code == "url_refused"


async def test_headers_of_the_connection_are_ours() -> None:
    async with stranger(says("200 OK")) as host, GuardedClient(["127.0.0.1"]) as client:
        await client.request(
            "POST",
            f"http://127.0.0.1:{host.port}/",
            headers={"Host": "inner", "Content-Length": "999", "Accept-Encoding": "br"},
            body=b"{}",
        )
    assert host.asked[0].headers["host"] == f"127.0.0.1:{host.port}"
    assert host.asked[0].headers["content-length"] == "2"


async def test_a_url_is_checked_before_it_is_stored() -> None:
    async with GuardedClient(["tools.lan"], resolve=Names()) as client:
        client.check("https://example.com/hook")
        client.check("http://tools.lan/")
        for url in ("http://10.0.0.1/", "http://localhost/", "ftp://x/", "http://a:b@x/"):
            with pytest.raises(OutgoingError):
                client.check(url)
