"""Requests within bounds: a short head, and a body that comes whole, in time, and fit to read."""

import asyncio
import json
import re
from typing import Any, cast

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visavis.server.errors import Problem, respond

MAX_BODY = 256 * 1024
"""Bytes; an SDP offer has about 10 000."""
MAX_PHOTO = 16 * 1024 * 1024
"""Bytes of a body that brings a picture."""
MAX_HEAD = 32 * 1024
"""Bytes of all headers and the address."""
BODY_S = 20.0
"""A body that takes longer is a client that holds the line."""
MAX_DEPTH = 64
"""Of lists and objects within each other; parsers and databases recurse."""

_PHOTOS = ("POST", "/v1/avatar")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_SUSPECT = re.compile(rb"NaN|Infinity|[eE]\+?\d{3}|\d{300}|\\u[dD][89abAB]|\\u[dD][c-fC-F]")


class BodyMiddleware:
    """Hands routes a body that came whole, or answers 408, 413, 431, or 400 (``bad_json``)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            check_head(scope)
            body = await _read_json(scope, receive)
        except Problem as problem:
            await respond(Request(scope), problem)(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


def check_head(scope: Scope) -> None:
    """Raise ``Problem`` where the head is longer than any honest one (``head_too_large``), or the
    address holds the character NUL, which databases refuse.
    """
    fields = sum(len(name) + len(value) for name, value in scope["headers"])
    if fields + len(scope["raw_path"]) + len(scope["query_string"]) > MAX_HEAD:
        raise Problem("head_too_large", f"Address and headers may have {MAX_HEAD} bytes in all.")
    if "\x00" in scope["path"]:
        raise Problem("not_found")
    if b"%00" in scope["query_string"] or b"\x00" in scope["query_string"]:
        raise Problem("invalid_request", "The query holds the character NUL.")


def check_json(body: bytes) -> None:
    """Raise ``Problem`` for what Python reads as JSON and others do not, or cannot bear.

    That is: other encodings than UTF-8, half surrogate pairs, NaN and numbers beyond a double,
    and lists nested without end. Plainly malformed JSON is left to its route to refuse.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem("bad_json", "The body is not UTF-8.") from None
    if b"\x00" in body:
        raise Problem("bad_json", "The body holds a NUL byte.")
    if _depth(body) > MAX_DEPTH:
        raise Problem("bad_json", f"The JSON is nested deeper than {MAX_DEPTH} levels.")
    if _SUSPECT.search(body):
        try:
            json.dumps(json.loads(body), ensure_ascii=False, allow_nan=False).encode("utf-8")
        except json.JSONDecodeError:
            return
        except ValueError:  # UnicodeEncodeError is one
            detail = "The JSON holds a half surrogate pair or a number that is none."
            raise Problem("bad_json", detail) from None


def check_no_nul(body: bytes) -> None:
    """Raise ``Problem`` (``invalid_request``) naming the first field that holds the character NUL.

    Free JSON (metadata, schemas) would bring it past the fields' own patterns, into databases
    that cannot read it back.
    """
    if b"\\u0000" not in body:
        return
    try:
        field = _nul_at(json.loads(body), ())
    except ValueError:  # malformed: the route refuses it
        return
    if field is not None:
        problem = Problem("invalid_request", "The character NUL is not allowed.")
        problem.members["field"] = ".".join(field).replace("\x00", "")
        raise problem


def _nul_at(value: Any, path: tuple[str, ...]) -> tuple[str, ...] | None:
    """Where a NUL is, in a value that is nested ``MAX_DEPTH`` deep at most."""
    if isinstance(value, str):
        return path if "\x00" in value else None
    inner = cast("dict[str, Any]", value) if isinstance(value, dict) else None
    if inner is None and isinstance(value, list):
        inner = {str(n): item for n, item in enumerate(cast("list[Any]", value))}
    for name, item in (inner or {}).items():
        found = (*path, name) if "\x00" in name else _nul_at(item, (*path, name))
        if found is not None:
            return found
    return None


def _depth(body: bytes) -> int:
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", body)):
        depth += 1 if bracket[0] in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


async def _read_json(scope: Scope, receive: Receive) -> bytes:
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return b""
    headers = Headers(scope=scope)
    most = MAX_PHOTO if (scope["method"], scope["path"]) == _PHOTOS else MAX_BODY
    body = await _read(receive, headers.get("content-length", "0"), most)
    if body and "json" in headers.get("content-type", "").lower():
        check_json(body)
        if scope["path"].startswith("/v1/"):
            check_no_nul(body)
    return body


async def _read(receive: Receive, declared: str, most: int) -> bytes:
    """The whole body. Raises ``Problem``: ``body_too_large``, ``body_timeout``."""
    if len(declared) > 12 or not declared.isdecimal() or int(declared) > most:
        raise Problem("body_too_large")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Problem("body_timeout", "The connection was closed.")
                body += message.get("body", b"")
                if len(body) > most:
                    raise Problem("body_too_large")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        problem = Problem("body_timeout", f"It did not come within {BODY_S:.0f} s.")
        problem.headers["Connection"] = "close"
        raise problem from None
