"""Case 24, as far as it is HTTP: floods, dribbles and poison on real sockets."""

import asyncio
import contextlib
import json
from collections.abc import Iterator

import pytest

from tests.integration.platform_access.asking import problem
from visavis.server.gate import bodies, connections

HOST = b"Host: localhost\r\n"
JSON_HEADERS = {"Content-Type": "application/json"}


async def raw(house, sent: bytes, *, wait_s: float = 5.0) -> bytes:
    """Send bytes; answer all that comes back until the server hangs up, or ``wait_s``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    try:
        writer.write(sent)
        try:
            return await asyncio.wait_for(reader.read(), wait_s)
        except TimeoutError:
            pytest.fail("the server holds the line")
    finally:
        writer.close()


def code_of(answer: bytes) -> str:
    return json.loads(answer.partition(b"\r\n\r\n")[2])["code"]


async def test_dribbling_heads_and_bodies_are_cut(open_door, monkeypatch):
    monkeypatch.setattr(connections, "HEADERS_S", 0.3)
    monkeypatch.setattr(bodies, "BODY_S", 0.3)
    house = await open_door()
    silent = await raw(house, b"")
    assert silent.startswith(b"HTTP/1.1 408 ")
    assert code_of(silent) == "head_timeout"
    assert code_of(await raw(house, b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b")) == "head_timeout"
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    writer.write(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
    writer.write(b"GET /hea")  # a second head, which never ends
    assert b"head_timeout" in await asyncio.wait_for(reader.read(), 5)
    writer.close()
    post = b"POST /v1/key HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    slow = await raw(house, post + b"Content-Length: 100\r\n\r\n{")
    assert slow.startswith(b"HTTP/1.1 408 ")
    assert code_of(slow) == "body_timeout"
    chunked = await raw(house, post + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
    assert code_of(chunked) == "body_timeout"
    assert (await house.http.get("/healthz")).status_code == 200


async def test_what_is_no_http_is_told_so(open_door):
    house = await open_door()
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        answer = await raw(house, sent)
        assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
        assert code_of(answer) in ("bad_http", "body_timeout")


async def test_long_heads_are_refused(open_door):
    house = await open_door()
    long = "a" * 50_000
    for path, headers in (("/", {"X": long}), (f"/{long}", {}), (f"/v1/key?cursor={long}", {})):
        answer = await house.http.get(path, headers=headers)
        assert answer.status_code in (400, 431)  # by how it is cut on its way
        assert answer.json()["code"] in ("bad_http", "head_too_large")
    with contextlib.suppress(ConnectionResetError):  # hung up on while it sends
        endless = b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 3_000_000
        assert code_of(await raw(house, endless)) == "bad_http"


async def test_connections_are_bounded_and_come_free(open_door, monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 20)
    house = await open_door()
    port = int(house.url.rpartition(":")[2])
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(25)]
    try:
        answer = await asyncio.wait_for(held[-1][0].read(), 5)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert code_of(answer) == "busy"
    finally:
        for _, writer in held:
            writer.close()
    async with asyncio.timeout(5):
        while True:
            if (await house.http.get("/healthz")).status_code == 200:
                break


async def test_ten_megabytes_are_not_read(open_door):
    house = await open_door()
    big = b'{"name": "' + b"x" * 10_000_000 + b'"}'
    answer = await house.http.post("/v1/key", content=big, headers=JSON_HEADERS)
    problem(answer, 413, "body_too_large")
    declared = b"POST /v1/key HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: "
    assert b"body_too_large" in await raw(house, declared + b"9" * 12 + b"\r\n\r\n")


async def test_deep_json_is_refused(open_door):
    house = await open_door()
    for depth in (65, 900, 100_000):
        for deep in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
            for body in (deep, b'{"name": "x", "metadata": {"a": ' + deep + b"}}"):
                cut = body[:250_000]  # what is unfinished is deep all the same
                answer = await house.http.post("/v1/agent", content=cut, headers=JSON_HEADERS)
                problem(answer, 400, "bad_json")


async def test_json_that_others_would_not_read_is_refused(open_door, database_url):
    house = await open_door(database_url=database_url)

    async def post(path: str, body: bytes):
        return await house.http.post(path, content=body, headers=JSON_HEADERS)

    for poison in (
        b'{"name": "\\ud800", "scopes": ["*"]}',
        b'{"name": "\xed\xa0\x80", "scopes": ["*"]}',
        b'{"name": "\xff", "scopes": ["*"]}',
        b'{"name": "x", "scopes": ["*"], "a": NaN}',
        b'{"name": "x", "scopes": ["*"], "a": 1e999}',
        b'{"name": "x", "scopes": ["*"], "a": -Infinity}',
        b'{"name": "x", "scopes": ["*"], "a": ' + b"9" * 400 + b".0}",
        '{"name": "x", "scopes": ["*"]}'.encode("utf-16"),
        b'{"name": "x\x00", "scopes": ["*"]}',
        b'{"name": ',
    ):
        problem(await post("/v1/key", poison), 400, "bad_json")
    huge = b'{"name": "x", "scopes": ["*"], "a": ' + b"9" * 5000 + b"}"
    assert (await post("/v1/key", huge)).status_code in (400, 422)
    quoted = b'{"name": "NaN [[[ \\\\ud800 Infinity 1e999", "scopes": ["keys:read"]}'
    assert (await post("/v1/key", quoted)).status_code == 201
    pair = b'{"name": "\\ud83d\\ude00", "scopes": ["keys:read"]}'
    assert (await post("/v1/key", pair)).json()["name"] == "\U0001f600"


VALID = {
    "/v1/agent": {
        "name": "x",
        "metadata": {"a": {"b": ["c"]}},
        "configuration": {"llm": {"system_prompt": "p"}, "allowed_origins": ["https://a.b"]},
    },
    "/v1/ephemeral-agent": {"configuration": {"llm": {"first_message": "f"}}},
    "/v1/key": {"name": "x", "scopes": ["keys:read"]},
    "/v1/webhook": {
        "url": "https://example.com/",
        "description": "d",
        "events": ["session.ended"],
    },
    "/v1/start-agent-session": {
        "agentId": "demo",
        "context": "c",
        "metadata": {"a": ["b"]},
        "callback_url": "https://example.com/",
    },
}


async def test_no_text_bears_poison(open_door, database_url):
    """Every string and every name in bodies that are valid otherwise."""
    house = await open_door(sessions_per_worker=2, database_url=database_url)

    async def post(path: str, body: object):
        content = json.dumps(body).encode()
        return await house.http.post(path, content=content, headers=JSON_HEADERS)

    for path, body in VALID.items():
        good = await post(path, body)
        assert good.is_success, (path, good.text)
        for poisoned, field in _poisoned(body, "a\0b"):
            refused = problem(await post(path, poisoned), 422, "invalid_request")
            assert refused["field"] == field
        for poisoned, _ in _poisoned(body, "\ud800"):
            problem(await post(path, poisoned), 400, "bad_json")
    for path, name in (("/v1/agent", "name"), ("/v1/key", "name"), ("/v1/webhook", "description")):
        long = problem(
            await post(path, {**VALID[path], name: "x" * 100_000}), 422, "invalid_request"
        )
        assert long["field"] == name
        assert len(json.dumps(long)) < 1000


async def test_no_field_there_is_bears_endless_text(open_door, database_url):
    """Each field of each request body that OpenAPI tells of: never a 5xx."""
    house = await open_door(database_url=database_url)
    document = (await house.http.get("/openapi.json")).json()
    asked = 0
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            schema = route.get("requestBody", {}).get("content", {}).get("application/json")
            for field in _fields(document, schema["schema"]) if schema else ():
                url = path.replace("{", "").replace("}", "")
                answer = await house.http.request(method, url, json={field: "x" * 100_000})
                told = (method, path, field, answer.text)
                assert 400 <= answer.status_code < 500, told
                asked += 1
    assert asked > 20


async def test_nul_in_addresses_is_refused(open_door, database_url):
    house = await open_door(database_url=database_url)
    for path in ("/v1/key/%00", "/v1/session/a%00b", "/v1/agent/%00", "/meet/%00"):
        problem(await house.http.get(path), 404, "not_found")
    problem(await house.http.get("/v1/audit?action=%00"), 422, "invalid_request")
    for path in ("/v1/key/%ED%A0%80", "/v1/session/%FF", "/v1/session/" + "a" * 10_000):
        answer = await house.http.get(path)
        assert 400 <= answer.status_code < 500


def _poisoned(value: object, poison: str, path: str = "") -> Iterator[tuple[object, str]]:
    """Copies of ``value`` with one string or one name replaced; and which field that was."""
    if isinstance(value, str):
        yield poison, path
    elif isinstance(value, list):
        for n, item in enumerate(value):
            for bad, field in _poisoned(item, poison, _join(path, str(n))):
                yield [*value[:n], bad, *value[n + 1 :]], field
    elif isinstance(value, dict):
        for name, item in value.items():
            rest = {other: kept for other, kept in value.items() if other != name}
            yield {poison: item, **rest}, _join(path, poison.replace("\0", ""))
            for bad, field in _poisoned(item, poison, _join(path, name)):
                yield {**value, name: bad}, field


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _fields(document: dict, schema: dict) -> list[str]:
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
    return list(schema.get("properties", {}))
