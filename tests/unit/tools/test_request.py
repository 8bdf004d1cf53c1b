"""Requests to webhook tools: no argument gets out of its place."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from visavis.agents.tools import ToolDefinition
from visavis.tools.arguments import ArgumentsError
from visavis.tools.request import ToolRequest, build_request

URL = "https://api.example.com/users/{user}/notes"


def build(arguments: dict, **fields: object) -> ToolRequest:
    tool = {"id": "t1", "name": "note", "description": "", "server_url": URL, **fields}
    return build_request(
        ToolDefinition.model_validate(tool), arguments, session_id="s1", now_s=1_700_000_000
    )


def test_the_envelope_names_the_tool() -> None:
    request = build({"user": "ann", "text": "hei"})
    assert request.url == "https://api.example.com/users/ann/notes"
    assert json.loads(request.body or b"") == request.payload
    assert request.payload == {
        "tool_id": "t1",
        "tool_name": "note",
        "parameters": {"user": "ann", "text": "hei"},
    }
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Visavis-Session"] == "s1"


def test_bare_arguments_leave_out_what_stands_in_the_path() -> None:
    assert build({"user": 7, "a": [1]}, payload_format="arguments").payload == {"a": [1]}


def test_get_puts_arguments_into_the_query() -> None:
    request = build(
        {"user": "ann", "q": "a&b=c#d", "deep": {"x": [1]}, "yes": True, "key": "new"},
        method="GET",
        server_url=URL + "?key=old",
    )
    assert (request.body, request.payload) == (None, None)
    query = parse_qs(urlsplit(request.url).query)
    assert query == {
        "key": ["old", "new"],
        "q": ["a&b=c#d"],
        "deep": ['{"x": [1]}'],
        "yes": ["true"],
    }
    assert "Content-Type" not in request.headers


@pytest.mark.parametrize(
    "value",
    [
        "../../admin",
        "a/b",
        "a?b=c",
        "a#b",
        "@evil.example",
        "a\\b",
        "a:80",
        "%2e%2e",
        "a b",
        "å",
        "…",
    ],
)
def test_an_argument_stays_within_its_segment(value: str) -> None:
    parts = urlsplit(build({"user": value}).url)
    assert parts.netloc == "api.example.com"
    assert parts.path.split("/")[1] == "users"
    assert parts.path.split("/")[3:] == ["notes"]
    assert (parts.query, parts.fragment) == ("", "")


@pytest.mark.parametrize("value", ["..", ".", "", None, [1], {"a": 1}])
def test_what_a_path_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ArgumentsError):
        build({"user": value})


def test_a_missing_argument_of_the_path_is_refused() -> None:
    with pytest.raises(ArgumentsError):
        build({})


def test_two_places_cannot_make_a_step_up() -> None:
    with pytest.raises(ArgumentsError):
        build({"a": ".", "b": "."}, server_url="https://x.example/{a}{b}/z")


def test_the_tools_headers_win_over_ours_and_auth_over_both() -> None:
    request = build(
        {"user": "ann"},
        headers={"user-agent": "mine", "authorization": "Basic old"},
        auth_config={"type": "bearer", "token": "new"},
    )
    assert request.headers["user-agent"] == "mine"
    assert "User-Agent" not in request.headers
    assert request.headers["Authorization"] == "Bearer new"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (
            {"type": "basic", "username": "ann", "password": "p:w"},
            "Authorization",
            "Basic YW5uOnA6dw==",
        ),
        ({"type": "api_key", "key": "k1"}, "X-API-Key", "k1"),
        ({"type": "api_key", "key": "k1", "header": "X-Key"}, "X-Key", "k1"),
        ({}, "Authorization", None),
    ],
)
def test_every_kind_of_auth(auth: dict, header: str, value: str | None) -> None:
    assert build({"user": "ann"}, auth_config=auth).headers.get(header) == value


def test_a_signature_covers_time_and_body() -> None:
    auth = {"type": "hmac", "secret": "s"}
    first = build({"user": "ann"}, auth_config=auth).headers["X-Visavis-Signature"]
    second = build({"user": "bob"}, auth_config=auth).headers["X-Visavis-Signature"]
    assert first.startswith("t=1700000000,v1=")
    assert first != second


def test_secrets_are_not_in_representations() -> None:
    auth = {"type": "bearer", "token": "tok-9f2c"}
    request = build({"user": "ann"}, auth_config=auth, headers={"X-A": "header-secret"})
    assert "tok-9f2c" not in repr(request)
    assert "header-secret" not in repr(request)
