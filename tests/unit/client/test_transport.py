"""Both flavours of the client against a real server that misbehaves on cue."""

import json
import socket
from collections.abc import Callable

import pytest
from pydantic import BaseModel

from tests.unit.client.conftest import Answer, Script
from visavis.client import ApiError, AsyncClient, BadAnswer, Call, Client, Unreachable
from visavis.client.call import into, nothing, segment

PROBLEM = {
    "type": "about:blank",
    "title": "There is no such choice here",
    "status": 422,
    "detail": "No such voice.",
    "code": "unknown_choice",
    "request_id": "r1",
    "field": "configuration.tts.voice_id",
    "allowed": ["heart"],
}


class Thing(BaseModel):
    id: str
    size: int = 1


GET = Call("GET", "/v1/thing", into(Thing))
FOUND = Answer(body=b'{"id": "a", "size": 3}')
BUSY = Answer(503, b"{}", {"Retry-After": "0"})


@pytest.fixture(params=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Callable:
    """Sends one call with a fresh client of either flavour."""

    async def with_sync(url: str, call: Call, **options: object) -> object:
        with Client(url, **options) as client:
            return client.send(call)

    async def with_async(url: str, call: Call, **options: object) -> object:
        async with AsyncClient(url, **options) as client:
            return await client.send(call)

    return with_sync if request.param == "sync" else with_async


async def test_reads_the_answer_into_its_model(send: Callable, script: Script) -> None:
    script.answers = [FOUND]
    assert await send(script.url, GET) == Thing(id="a", size=3)


async def test_shows_its_key_and_asks_only_for_what_is_given(
    send: Callable, script: Script
) -> None:
    script.answers = [FOUND]
    call = Call("GET", "/v1/thing", into(Thing), query={"limit": 5, "cursor": None})
    await send(script.url, call, api_key="vv_secret")
    assert script.asked[0].path == "/v1/thing?limit=5"
    assert script.asked[0].headers["authorization"] == "Bearer vv_secret"


async def test_address_and_key_come_from_the_environment(
    send: Callable, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.answers = [FOUND]
    monkeypatch.setenv("VISAVIS_URL", script.url + "/")
    monkeypatch.setenv("VISAVIS_API_KEY", "vv_env")
    await send(None, GET)
    assert script.asked[0].path == "/v1/thing"
    assert script.asked[0].headers["authorization"] == "Bearer vv_env"


async def test_a_refusal_says_everything_the_server_said(send: Callable, script: Script) -> None:
    script.answers = [Answer(422, json.dumps(PROBLEM).encode())]
    with pytest.raises(ApiError) as refused:
        await send(script.url, GET)
    error = refused.value
    assert (error.status, error.code, error.detail) == (422, "unknown_choice", "No such voice.")
    assert error.members == {"field": "configuration.tts.voice_id", "allowed": ["heart"]}
    assert error.request_id == "r1"


@pytest.mark.parametrize("body", [b"<html>teapot</html>", b"[1]", b"", b"\xff"])
async def test_a_refusal_by_something_else_is_an_api_error_too(
    send: Callable, script: Script, body: bytes
) -> None:
    script.answers = [Answer(418, body, {"X-Request-ID": "from-header"})]
    with pytest.raises(ApiError) as refused:
        await send(script.url, GET)
    assert (refused.value.code, refused.value.request_id) == ("http_418", "from-header")


@pytest.mark.parametrize("body", [b"", b"not json", b'{"size": 1}', b"[]"])
async def test_an_answer_of_another_shape_is_a_bad_answer(
    send: Callable, script: Script, body: bytes
) -> None:
    script.answers = [Answer(200, body)]
    with pytest.raises(BadAnswer, match="GET /v1/thing"):
        await send(script.url, GET)


async def test_tries_again_while_the_server_is_busy(send: Callable, script: Script) -> None:
    script.answers = [BUSY, Answer(502, b"", {"Retry-After": "0"}), FOUND]
    assert await send(script.url, GET) == Thing(id="a", size=3)
    assert len(script.asked) == 3


async def test_gives_up_after_three_attempts(send: Callable, script: Script) -> None:
    script.answers = [BUSY]
    with pytest.raises(ApiError) as refused:
        await send(script.url, GET)
    assert (refused.value.status, len(script.asked)) == (503, 3)


async def test_does_not_wait_for_long(send: Callable, script: Script) -> None:
    script.answers = [Answer(503, b"{}", {"Retry-After": "30"})]
    with pytest.raises(ApiError):
        await send(script.url, GET)
    assert len(script.asked) == 1


async def test_a_post_is_repeated_under_one_idempotency_key(send: Callable, script: Script) -> None:
    script.answers = [Answer(hang_up=True), BUSY, FOUND]
    await send(script.url, Call("POST", "/v1/thing", into(Thing), body=Thing(id="ü")))
    keys = {asked.headers["idempotency-key"] for asked in script.asked}
    bodies = {asked.body for asked in script.asked}
    assert (len(script.asked), len(keys)) == (3, 1)
    assert bodies == {'{"id":"ü"}'.encode()}  # size was not set, so it is not sent


async def test_two_posts_have_two_keys(send: Callable, script: Script) -> None:
    script.answers = [FOUND]
    call = Call("POST", "/v1/thing", into(Thing), body={"id": "a"})
    await send(script.url, call)
    await send(script.url, call)
    assert len({asked.headers["idempotency-key"] for asked in script.asked}) == 2


async def test_a_patch_is_sent_once(send: Callable, script: Script) -> None:
    script.answers = [BUSY]
    with pytest.raises(ApiError):
        await send(script.url, Call("PATCH", "/v1/thing", into(Thing), body={"size": 2}))
    assert len(script.asked) == 1


async def test_says_where_nobody_answers(send: Callable) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(Unreachable, match=r"GET http://127\.0\.0\.1") as failed:
            await send(url, Call("GET", "/v1/thing", into(Thing), query={"token": "secret"}))
    assert "secret" not in str(failed.value)


async def test_a_silent_server_times_out_once(send: Callable) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match=r"(?i)time"):
            await send(url, GET, timeout_s=0.2)


async def test_an_answer_without_content(send: Callable, script: Script) -> None:
    script.answers = [Answer(204, b"")]
    assert await send(script.url, Call("DELETE", "/v1/thing", nothing)) is None


def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    assert segment("../key?x=1#ü") == "..%2Fkey%3Fx%3D1%23%C3%BC"
