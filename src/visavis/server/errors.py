"""Every error as ``application/problem+json`` (RFC 9457) with a stable ``code``."""

from typing import Any, Protocol

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from visavis.server.allow import allowed_methods
from visavis.sessions.live import Refusal
from visavis.sessions.tokens import TokenError

TITLES = {
    "agent_builtin": (409, "The built-in agent cannot be changed"),
    "agent_single_use": (409, "A single-use agent cannot be changed"),
    "agent_draft": (403, "The agent is a draft"),
    "agent_expired": (410, "The agent's time has passed"),
    "agent_used": (410, "The single-use agent has been used"),
    "agent_too_large": (422, "The agent is too large to run"),
    "audio_backlog": (429, "Too much sound waits to be said"),
    "audio_invalid": (422, "The sound cannot be read"),
    "avatar_builtin": (409, "The character comes with visavis"),
    "avatar_busy": (503, "Other avatars are being made"),
    "avatar_failed": (500, "The avatar could not be made"),
    "avatar_in_use": (409, "Agents have this face"),
    "avatar_limit": (422, "There are too many avatars"),
    "avatar_not_found": (404, "No such avatar"),
    "avatar_refused": (422, "The picture cannot become a face"),
    "bad_json": (400, "The body is not JSON"),
    "confirm_needed": (409, "A confirmation is needed"),
    "delivery_not_found": (404, "No such delivery"),
    "head_too_large": (431, "The request's head is too large"),
    "idempotency_conflict": (422, "The Idempotency-Key was used with another body"),
    "idempotency_in_progress": (409, "A request with this Idempotency-Key is under way"),
    "key_expired": (401, "The API key has expired"),
    "key_invalid": (401, "The API key is not valid"),
    "key_missing": (401, "An API key is needed"),
    "key_not_found": (404, "No such API key"),
    "key_revoked": (401, "The API key was revoked"),
    "origin_refused": (403, "This site may not use the agent"),
    "outgoing_refused": (422, "That address may not be called"),
    "rate_limited": (429, "Too many requests"),
    "range_unsatisfiable": (416, "The file has no such bytes"),
    "recording_not_found": (404, "There is no recording"),
    "recording_pending": (409, "The recording is not ready yet"),
    "scope_missing": (403, "The API key may not do this"),
    "session_not_joined": (409, "Nobody has joined the session"),
    "session_running": (409, "The session is still running"),
    "storage_unavailable": (503, "The store of files does not answer"),
    "tool_in_use": (409, "Agents use this tool"),
    "tool_not_found": (404, "No such tool"),
    "tool_sealed": (409, "The tool's secrets cannot be read"),
    "unknown_choice": (422, "There is no such choice here"),
    "version_not_found": (404, "No such version"),
    "webhook_limit": (422, "There are too many webhooks"),
    "webhook_not_found": (404, "No such webhook"),
    "agent_not_found": (404, "No such agent"),
    "answer_timeout": (504, "The offer was not answered in time"),
    "bad_candidate": (400, "The ICE candidate cannot be used"),
    "bad_offer": (400, "The WebRTC offer cannot be used"),
    "body_timeout": (408, "The request body did not come in time"),
    "body_too_large": (413, "The request body is too large"),
    "capacity_exhausted": (503, "The house is full"),
    "character_not_found": (404, "No such character"),
    "internal": (500, "Something went wrong here"),
    "invalid_request": (422, "The request is not valid"),
    "method_not_allowed": (405, "Method not allowed"),
    "no_worker": (503, "No worker is ready"),
    "not_found": (404, "Nothing here"),
    "room_closed": (410, "The room is closed"),
    "session_ended": (410, "The session has ended"),
    "session_not_found": (404, "No such session"),
    "starting": (503, "The server is still loading"),
    "too_many_commands": (429, "Too many commands wait"),
    "token_expired": (401, "The room token has expired"),
    "token_in_use": (403, "The room token is in use"),
    "token_invalid": (401, "The room token is not valid"),
    "token_missing": (401, "A room token is needed"),
    "token_other_origin": (403, "The room token belongs to another site"),
    "token_other_session": (403, "The room token belongs to another session"),
    "web_not_built": (503, "The web pages are not built"),
    "worker_lost": (503, "The worker was lost"),
    "worker_timeout": (504, "The worker did not answer"),
}
"""Every code there is, with its HTTP status and title."""

log = structlog.stdlib.get_logger("visavis.server")


class Problem(Exception):
    """Raised anywhere in a request; becomes its problem document."""

    def __init__(self, code: str, detail: str = "", *, retry_s: int | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retry_s = retry_s
        self.members: dict[str, object] = {}
        self.headers: dict[str, str] = {}
        self.actor = ""
        """Who it was and (``subject``) what they wanted, for the audit; empty where unknown."""
        self.subject = ""


class Auditor(Protocol):
    """Hears of every problem; keeps those that look like abuse."""

    async def __call__(self, request: Request, problem: Problem) -> None: ...


def install(app: FastAPI, audit: Auditor) -> None:
    """Turn what routes raise into problem documents; crashes are ``CrashMiddleware``'s."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        await audit(request, error)
        return respond(request, error)

    @app.exception_handler(Refusal)
    async def _refusal(request: Request, error: Refusal) -> JSONResponse:
        return await _problem(request, Problem(error.code, error.message, retry_s=error.retry_s))

    @app.exception_handler(TokenError)
    async def _token(request: Request, error: TokenError) -> JSONResponse:
        return await _problem(request, Problem(error.code))

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return respond(request, from_validation(error))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "not_found", 405: "method_not_allowed"}
        problem = Problem(codes.get(error.status_code, "invalid_request"))
        if error.status_code == 405 and (methods := allowed_methods(request)):
            problem.headers["Allow"] = methods
        return respond(request, problem)

    @app.exception_handler(DataError)
    async def _unstorable(request: Request, error: DataError) -> JSONResponse:
        # Mostly NUL, which Postgres refuses in text. Fields refuse it themselves; this is the net.
        log.warning("value_unstorable", path=request.url.path)
        return respond(request, Problem("invalid_request", "A value cannot be stored."))

    _ = (_problem, _refusal, _token, _validation, _http, _unstorable)


def from_validation(error: RequestValidationError, code: str = "invalid_request") -> Problem:
    """Name the first field that is wrong, and what it may be where that is known."""
    first: dict[str, Any] = error.errors()[0]
    if first["type"] == "json_invalid" and code == "invalid_request":
        return Problem("bad_json", first["msg"])
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    problem = Problem(code, first["msg"])
    if where:
        problem.members["field"] = ".".join(where)
    if "expected" in first.get("ctx", {}):
        problem.members["allowed"] = first["ctx"]["expected"]
    return problem


def document(problem: Problem) -> dict[str, object]:
    """What a problem says of itself; an unknown code is a bug of ours and says so."""
    code = problem.code if problem.code in TITLES else "internal"
    if code != problem.code:
        log.error("unknown_problem_code", code=problem.code)
    status, title = TITLES[code]
    detail = problem.detail or title + "."
    return {"title": title, "status": status, "detail": detail, "code": code, **problem.members}


def respond(request: Request, problem: Problem) -> JSONResponse:
    """The problem as a response."""
    described = document(problem)
    status = TITLES[str(described["code"])][0]
    request_id = getattr(request.state, "request_id", None)  # a WebSocket has none
    body = {"type": "about:blank", **described, "request_id": request_id, **problem.members}
    headers = dict(problem.headers)
    if problem.retry_s is not None:
        headers["Retry-After"] = str(problem.retry_s)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status, headers, media_type="application/problem+json")
