"""The API's description, OpenAPI 3.1: what FastAPI reads from the code, made whole.

Added here, once for all operations: names, errors, who may call, tags, and what a POST may carry.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from visavis.server.errors import TITLES
from visavis.server.gate.idempotency import takes_key

Document = dict[str, Any]

_ABOUT = """\
Give any language model a face that people can talk to.

Programs elsewhere send an API key as `Authorization: Bearer …`; programs on the server's own \
machine need none, unless `VISAVIS_REQUIRE_KEY` is set. Times are ISO 8601 in UTC; in session \
records, Unix milliseconds. Lists come newest first, page by page: pass `next_cursor` on as \
`cursor`.

Errors are `application/problem+json` (RFC 9457) with a stable `code`. A POST with an \
`Idempotency-Key` is done once, however often it is sent within a day.
"""

_TAGS = {
    "agents": "Who people talk to: permanent agents with versions, and single-use ones.",
    "tools": "What agents may do during a conversation: webhooks, client tools, MCP servers.",
    "avatars": "Faces made from a photo, with whose they are.",
    "sessions": "Conversations: start, follow live, steer, read, end and delete.",
    "rooms": "Signalling between a browser and the embedded room. Clients of RTVI do this.",
    "webhooks": "Where the account's events are sent, signed per Standard Webhooks.",
    "keys": "API keys, who is calling, and the audit of what was done.",
    "analytics": "What sessions amounted to, and metrics for Prometheus.",
}

_PUBLIC = ("/v1/start-agent-session", "/v1/meet", "/avatars/", "/v1/ice-servers")
_ROOM = "/rooms/{session_id}"
_SESSION = "/v1/session/{session_id}"

_PROBLEM: Document = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457). More members may follow from the code.",
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "For people; may change."},
        "code": {"type": "string", "description": "For programs; stable.", "enum": []},
        "request_id": {"type": "string", "description": "Names the request in our logs."},
        "field": {"type": "string", "description": "What is wrong in the request, by path."},
        "allowed": {"description": "What the field may be instead."},
    },
    "required": ["type", "title", "status", "detail", "code", "request_id"],
}
_PROBLEM_EXAMPLE: Document = {
    "type": "about:blank",
    "title": "There is no such choice here",
    "status": 422,
    "detail": "There is no character 'mona'.",
    "code": "unknown_choice",
    "request_id": "8f14e45fceea167a",
    "field": "configuration.video.character_id",
    "allowed": ["ava"],
}

_BODY_EXAMPLES: dict[str, Document] = {
    "DuplicateAgent": {"name": "Concierge (night shift)"},
    "RollbackAgent": {"version": 3},
    "ImportAgent": {
        "from": "tavus",
        "document": {"persona_name": "Guide", "system_prompt": "You guide through the museum."},
    },
    "StartAgentSession": {"agentId": "demo", "metadata": {"visitor": "42"}},
    "UpdateSession": {"voice_id": "bella", "metadata": {"step": "checkout"}},
    "EchoInSession": {"text": "Your order is on its way.", "interrupt": False},
    "OfferRoom": {"sdp": "v=0\r\n…", "type": "offer"},
    "AddRoomCandidates": {
        "pc_id": "pc-1",
        "candidates": [
            {
                "candidate": "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host",
                "sdp_mid": "0",
                "sdp_mline_index": 0,
            }
        ],
    },
}
"""For bodies whose model has no example of its own, by operation."""

_NAMES = {
    "GET /v1/providers": "ListProviders",
    "POST /v1/agent/import": "ImportAgent",
    "POST /v1/ephemeral-agent": "CreateEphemeralAgent",
    "POST /v1/start-agent-session": "StartAgentSession",
    "GET /v1/me": "GetCaller",
    "GET /v1/audit": "ListAudit",
    "GET /metrics": "GetMetrics",
    "GET /v1/meet": "ListPublicAgents",
    "GET /v1/meet/{agent_id}": "GetPublicAgent",
    "GET /avatars/{character_id}/portrait.webp": "GetPortrait",
    "GET /avatars/face.json": "GetFaceMesh",
    "GET /avatars/face-deltas.f16": "GetFaceDeltas",
    "GET /avatars/{character_id}/rig.avatar": "GetRig",
    "GET /v1/avatar/{avatar_id}/clip": "GetAvatarClip",
    "GET /v1/avatar/{avatar_id}/preview": "GetAvatarPreview",
    "GET /v1/session/{session_id}/events": "FollowSession",
    "POST /v1/session/{session_id}/say": "SayInSession",
    "POST /v1/session/{session_id}/echo": "EchoInSession",
    "POST /v1/session/{session_id}/respond": "RespondInSession",
    "POST /v1/session/{session_id}/context": "AddSessionContext",
    "GET /v1/webhook/{webhook_id}/delivery": "ListWebhookDeliveries",
    "POST /v1/webhook/{webhook_id}/rotate-secret": "RotateWebhookSecret",
    "GET /v1/webhook/callback-secret": "GetCallbackSecret",
    "GET /v1/delivery": "ListDeliveries",
    "POST /rooms/{session_id}/api/offer": "OfferRoom",
    "PATCH /rooms/{session_id}/api/offer": "AddRoomCandidates",
    "DELETE /rooms/{session_id}": "LeaveRoom",
    "GET /v1/analytics/sessions.csv": "ExportSessions",
}
"""Operations whose path does not say what they do."""


def install(app: FastAPI) -> None:
    """Let ``app`` describe itself so; the document is made at the first request."""

    def document() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    app.openapi = document


def describe(app: FastAPI) -> Document:
    """The whole document."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary="Agents with a face, on your own machines.",
        description=_ABOUT,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    # Page[AgentView] goes by the name of AgentViewPage.
    document = json.loads(re.sub(r'(?<=["/])Page_(\w+)_(?=")', r"\1Page", json.dumps(document)))
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = {
        **_PROBLEM,
        "properties": {
            **_PROBLEM["properties"],
            "code": {**_PROBLEM["properties"]["code"], "enum": sorted(TITLES)},
        },
    }
    components["responses"] = {"Problem": _problem_response()}
    components["securitySchemes"] = _security_schemes()
    for method, path, operation in _operations(document):
        _complete(method, path, operation)
    return document


def name_of(method: str, path: str) -> str:
    """A stable operation id: ``CreateAgent``, ``ListAgents``, ``GetSessionTranscript``, …"""
    if chosen := _NAMES.get(f"{method} {path}"):
        return chosen
    words = [part for part in path.split("/") if part and part != "v1"]
    nouns = [_pascal(word) for word in words if not word.startswith("{")]
    on_item = words[-1].startswith("{")
    if method == "POST" and not on_item and len(words) > 1:  # an action on something
        return nouns[-1] + "".join(nouns[:-1])
    if method == "GET" and not on_item and nouns[0] != "Analytics" and nouns[-1] in _COLLECTIONS:
        return f"List{''.join(nouns)}s"
    verbs = {"GET": "Get", "POST": "Create", "PATCH": "Update", "PUT": "Put", "HEAD": "Probe"}
    return verbs.get(method, "Delete") + "".join(nouns)


_COLLECTIONS = ("Agent", "Avatar", "Tool", "Session", "Key", "Webhook", "Version")


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _complete(method: str, path: str, operation: Document) -> None:
    name = name_of(method, path)
    operation["operationId"] = name
    operation["summary"] = _spaced(name)
    responses = operation["responses"]
    responses.pop("422", None)
    for group in ("4XX", "5XX"):
        responses[group] = {"$ref": "#/components/responses/Problem"}
    operation["security"] = _security(method, path)
    if path.startswith(_ROOM):
        operation["tags"] = ["rooms"]
    elif not operation.get("tags"):
        operation["tags"] = ["agents"]
    if takes_key(method, path):
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    if name in _BODY_EXAMPLES and "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        content.setdefault("example", _BODY_EXAMPLES[name])


_IDEMPOTENCY_KEY: Document = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Sent again with the same body within a day, the request is not done again.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}


def _security(method: str, path: str) -> list[dict[str, list[str]]]:
    """Any one of these lets a caller in; an empty one: nobody is asked."""
    if path.startswith(_PUBLIC) or (method, path) == ("PATCH", f"{_ROOM}/api/offer"):
        return [{}]
    if path.startswith(_ROOM):
        return [{"roomToken": []}]
    if path.startswith(_SESSION):
        return [{"apiKey": []}, {"roomToken": []}]
    return [{"apiKey": []}]


def _security_schemes() -> Document:
    return {
        "apiKey": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`vv_…`) with the operation's scope. Programs on the "
            "server's own machine need none, unless it asks for keys there, too.",
        },
        "roomToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The `dailyToken` of one session, good for that session only.",
        },
    }


def _problem_response() -> Document:
    return {
        "description": "The request was refused, or failed; `code` says why.",
        "headers": {
            "X-Request-ID": {"schema": {"type": "string"}},
            "Retry-After": {
                "description": "Seconds after which asking again may help.",
                "schema": {"type": "integer"},
            },
        },
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": _PROBLEM_EXAMPLE,
            }
        },
    }


def _pascal(word: str) -> str:
    return "".join(part.capitalize() for part in word.replace(".", "-").split("-"))


def _spaced(name: str) -> str:
    """``GetSessionTranscript`` as ``Get session transcript``."""
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name).split()
    return " ".join(words).capitalize()
