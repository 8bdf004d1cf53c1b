"""Sessions over REST: list, look at, read, end."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from visavis.agents.fields import Id
from visavis.agents.scopes import Scope
from visavis.api.page import Page
from visavis.api.sessions import (
    Line,
    RecordingSummary,
    SessionSummary,
    SessionView,
    ToolCallView,
    Transcript,
    TurnView,
)
from visavis.events import EndReason, SessionState
from visavis.records.figures import Figures
from visavis.records.plain_text import plain_text
from visavis.records.transcript import Utterance, began_ms, utterances
from visavis.records.webvtt import webvtt
from visavis.server.errors import Problem
from visavis.server.gate.access import SessionsRead, check_owner
from visavis.server.paging import Cursor, Limit, decode_cursor, encode_cursor, page
from visavis.server.services import Provided, Services
from visavis.storage import session_lists as lists
from visavis.storage import sessions as store
from visavis.storage.tables import SessionRow

router = APIRouter(prefix="/v1", tags=["sessions"])

SessionId = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
_Moment = Annotated[
    str, Query(max_length=40, description="ISO 8601, UTC unless it says otherwise, or Unix ms.")
]
_Metadata = Annotated[
    str,
    Query(
        max_length=300,
        pattern=r"^[A-Za-z0-9_.-]{1,64}:[^\x00]*$",
        description="Sessions whose metadata has this text under this key: ``key:text``.",
        examples=["customer:42"],
    ),
]
_TEXT = {"vtt": "text/vtt", "txt": "text/plain"}


@router.get("/session")
async def list_sessions(
    services: Provided,
    caller: SessionsRead,
    limit: Limit = 20,
    cursor: Cursor = None,
    agent_id: Annotated[Id | None, Query()] = None,
    state: SessionState | None = None,
    status: Annotated[
        Literal["active", "ended"] | None, Query(description="Whether they have ended.")
    ] = None,
    end_reason: EndReason | None = None,
    from_: Annotated[_Moment | None, Query(alias="from")] = None,
    to: _Moment | None = None,
    metadata: _Metadata | None = None,
) -> Page[SessionSummary]:
    """Sessions, newest first, without their turns; ``from`` and ``to`` bound when they were made.

    What has not been stored yet (at most a blink old) may be missing.
    """
    key, _, text = (metadata or "").partition(":")
    wanted = lists.SessionFilter(
        agent_id=agent_id,
        state=state,
        active=None if status is None else status == "active",
        end_reason=end_reason,
        from_ms=_moment("from", from_),
        until_ms=_moment("to", to),
        metadata=(key, text) if metadata else None,
    )
    before = decode_cursor(cursor) if cursor else None
    async with services.database.read() as session:
        rows = await lists.page(session, wanted, limit + 1, before)
    cursors = [encode_cursor(row.created_at, row.id) for row in rows]
    return page([SessionSummary(**_summary(row)) for row in rows], limit, cursors)


@router.get("/session/{session_id}")
async def show(session_id: SessionId, request: Request, services: Provided) -> SessionView:
    """State, time stamps, turns with their timings, tool calls, and figures once it is over.

    Who asks with the room token is not shown the session's metadata, nor the tool calls.
    """
    caller = await check_owner(services, session_id, request, "sessions:read")
    row = await found(services, session_id)
    async with services.database.read() as session:
        states = await store.states(session, session_id)
        turns = await store.turns(session, session_id)
        calls = await store.tool_calls(session, session_id)
    view = SessionView(
        **_summary(row),
        states={SessionState(state.state): state.at_ms for state in states},
        turns=[TurnView.model_validate(turn, from_attributes=True) for turn in turns],
        tool_calls=[ToolCallView.model_validate(call, from_attributes=True) for call in calls],
    )
    if caller.kind == "room":
        view.metadata, view.tool_calls = {}, []
    return view


@router.get(
    "/session/{session_id}/transcript",
    response_model=Transcript,
    responses={200: {"content": {media_type: {} for media_type in _TEXT.values()}}},
)
async def transcript(
    session_id: SessionId,
    request: Request,
    services: Provided,
    format: Literal["json", "vtt", "txt"] | None = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """What was said so far: JSON, captions (``vtt``, or ``Accept: text/vtt``) or text (``txt``)."""
    row = await owned(services, session_id, request)
    async with services.database.read() as session:
        log = await store.events(session, session_id)
    said, zero_ms = utterances(log), began_ms(log) or row.created_at
    names = {"user": "You", "agent": row.agent_name}
    chosen = format or ("vtt" if "text/vtt" in accept else "json")
    if chosen != "json":
        written = (webvtt if chosen == "vtt" else plain_text)(said, zero_ms, names)
        return PlainTextResponse(
            written,
            media_type=f"{_TEXT[chosen]}; charset=utf-8",
            headers={"X-Content-Type-Options": "nosniff"},  # whatever was said, it is no page
        )
    lines = [_line(utterance, zero_ms) for utterance in said]
    return JSONResponse(Transcript(session_id=session_id, lines=lines).model_dump(mode="json"))


@router.post("/session/{session_id}/end")
async def end(session_id: SessionId, request: Request, services: Provided) -> SessionView:
    """End the session and answer with its final record."""
    await owned(services, session_id, request, "sessions:write")
    await services.sessions.end(session_id, EndReason.API_ENDED)
    return await show(session_id, request, services)


async def owned(
    services: Services, session_id: str, request: Request, scope: Scope = "sessions:read"
) -> SessionRow:
    """The session's row, if the caller may see it (or, by ``scope``, change it)."""
    await check_owner(services, session_id, request, scope)
    return await found(services, session_id)


async def found(services: Services, session_id: str) -> SessionRow:
    """The session's row, with everything that has happened so far in the database."""
    await services.sessions.flush()
    async with services.database.read() as session:
        row = await store.find(session, session_id)
    if row is None:
        raise Problem("session_not_found")
    return row


def _summary(row: SessionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "agent_id": row.agent_id,
        "agent_name": row.agent_name,
        "agent_version": row.agent_version,
        "metadata": row.meta,
        "state": SessionState(row.state),
        "end_reason": EndReason(row.end_reason) if row.end_reason else None,
        "created_at": row.created_at,
        "join_by": row.join_by,
        "joined_at": row.joined_at,
        "ended_at": row.ended_at,
        "recording": RecordingSummary.model_validate(row.recording) if row.recording else None,
        "figures": Figures.model_validate(row.figures) if row.figures is not None else None,
    }


def _moment(field: str, given: str | None) -> int | None:
    """Unix ms. Raises ``Problem``."""
    if given is None:
        return None
    if re.fullmatch(r"[0-9]{1,15}", given):
        return int(given)
    try:
        moment = datetime.fromisoformat(given.replace(" ", "+"))  # "+" arrives as a space
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        problem = Problem("invalid_request", "Neither ISO 8601 nor Unix milliseconds.")
        problem.members["field"] = field
        raise problem from None


def _line(utterance: Utterance, zero_ms: int) -> Line:
    return Line(
        speaker=utterance.speaker,
        turn_id=utterance.turn_id,
        start_ms=max(utterance.start_ms - zero_ms, 0),
        end_ms=max(utterance.end_ms - zero_ms, 0),
        text=utterance.text,
        interrupted=utterance.interrupted,
    )
