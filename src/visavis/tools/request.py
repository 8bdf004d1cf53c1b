"""What is sent to a webhook tool: URL, headers and body from the model's arguments."""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import httpx2

import visavis
from visavis.agents.tools import (
    ApiKeyAuth,
    AuthConfig,
    BasicAuth,
    BearerAuth,
    HmacAuth,
    ToolDefinition,
)
from visavis.tools.arguments import ArgumentsError
from visavis.tools.secrets import basic_credentials

OURS = frozenset(("host", "content-length", "transfer-encoding", "connection", "accept-encoding"))
"""Headers that belong to the connection; no tool sets them."""

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """One HTTP request; ``payload`` is the body before it became JSON."""

    method: str
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes | None
    payload: dict[str, Any] | None


def build_request(
    tool: ToolDefinition, arguments: Mapping[str, Any], *, session_id: str, now_s: int
) -> ToolRequest:
    """The call of a webhook tool. ``now_s`` (Unix time) goes into a signature.

    Places ``{name}`` in the URL's path take arguments; those are then left out of a query or of
    a bare body. Raises ``ArgumentsError`` for an argument that a path cannot hold.
    """
    url, rest = _fill(tool.server_url or "", arguments)
    if tool.method == "GET":
        url = _with_query(url, rest)
        payload = None
    elif tool.payload_format == "arguments":
        payload = rest
    else:
        payload = {"tool_id": tool.id, "tool_name": tool.name, "parameters": dict(arguments)}
    body = None if payload is None else json.dumps(payload, ensure_ascii=False).encode()
    headers = {
        "User-Agent": f"visavis/{visavis.__version__}",
        "Accept": "application/json, text/*;q=0.9, */*;q=0.5",
        "X-Visavis-Session": session_id,
    }
    if body is not None:
        headers["Content-Type"] = "application/json"
    headers = merged(headers, tool.headers)
    return ToolRequest(
        tool.method,
        url,
        merged(headers, auth_headers(tool.auth_config, tool.method, url, body, now_s)),
        body,
        payload,
    )


def auth_headers(
    auth: AuthConfig, method: str, url: str, body: bytes | None, now_s: int
) -> dict[str, str]:
    """The headers that prove who calls; an HMAC signs exactly what ``HmacAuth`` says."""
    match auth:
        case BearerAuth():
            return {"Authorization": f"Bearer {auth.token}"}
        case BasicAuth():
            return {"Authorization": f"Basic {basic_credentials(auth)}"}
        case ApiKeyAuth():
            return {auth.header: auth.key}
        case HmacAuth():
            what = body or method.encode() + b" " + httpx2.URL(url).raw_path
            signed = str(now_s).encode() + b"." + what
            digest = hmac.new(auth.secret.encode(), signed, "sha256").hexdigest()
            return {auth.header: f"t={now_s},v1={digest}"}
        case _:
            return {}


def merged(headers: Mapping[str, str], over: Mapping[str, str]) -> dict[str, str]:
    """``headers`` with ``over`` on top; names are compared without case."""
    replaced = {name.lower() for name in over}
    return {name: value for name, value in headers.items() if name.lower() not in replaced} | dict(
        over
    )


def places(url: str) -> tuple[str, ...]:
    """The names of arguments that stand as ``{name}`` in the URL's path."""
    return tuple(dict.fromkeys(_PLACE.findall(urlsplit(url).path)))


def has_stray_places(url: str) -> bool:
    """Whether a ``{name}`` stands anywhere but in the path, where nothing fills it."""
    parts = urlsplit(url)
    return any(_PLACE.search(part) for part in (parts.netloc, parts.query, parts.fragment))


def _fill(url: str, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The URL with its places filled, and the arguments that found none."""
    parts = urlsplit(url)
    used = places(url)

    def value(found: re.Match[str]) -> str:
        return _segment(found.group(1), arguments.get(found.group(1)))

    segments = [_PLACE.sub(value, segment) for segment in parts.path.split("/")]
    for segment, template in zip(segments, parts.path.split("/"), strict=True):
        if segment != template and segment in (".", ".."):
            raise ArgumentsError("An argument may not be a step in the path.")
    rest = {name: value for name, value in arguments.items() if name not in used}
    return urlunsplit(parts._replace(path="/".join(segments))), rest


def _segment(name: str, value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        raise ArgumentsError(f"{name}: a text or a number is needed.")
    text = _as_text(value)
    if not text:
        raise ArgumentsError(f"{name}: must not be empty.")
    return quote(text, safe="")


def _with_query(url: str, arguments: Mapping[str, Any]) -> str:
    parts = urlsplit(url)
    added = urlencode({name: _as_text(value) for name, value in arguments.items()})
    query = "&".join(part for part in (parts.query, added) if part)
    return urlunsplit(parts._replace(query=query))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
