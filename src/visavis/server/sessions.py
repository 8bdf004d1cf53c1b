"""Sessions over REST: start, look at, read, end."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel

from visavis.agents.scopes import Scope
from visavis.events import EndReason, SessionState
from visavis.records.figures import Figures
from visavis.records.transcript import Utterance, began_ms, utterances
from visavis.records.webvtt import webvtt
from visavis.server.access import check_owner
from visavis.server.errors import Problem
from visavis.server.services import Provided, Services
from visavis.storage import sessions as store
from visavis.storage.tables import SessionRow, TurnRow

router = APIRouter(prefix="/v1", tags=["sessions"])


class TurnView(BaseModel):
    turn_id: int
    user_text: str
    agent_text: str
    interrupted: bool
    timings: dict[str, float | None]
    frames_sent: int
    frames_dropped: int


class SessionView(BaseModel):
    """A session as its record has it; times are Unix milliseconds."""

    id: str
    agent_id: str
    agent_name: str
    state: SessionState
    states: dict[SessionState, int]
    end_reason: EndReason | None
    turns: list[TurnView]
    figures: Figures | None


class Line(BaseModel):
    """One utterance; times are ms from the start of the conversation."""

    speaker: Literal["user", "agent"]
    turn_id: int
    start_ms: int
    end_ms: int
    text: str
    interrupted: bool


class Transcript(BaseModel):
    session_id: str
    lines: list[Line]


@router.get("/session/{session_id}")
async def show(session_id: str, request: Request, services: Provided) -> SessionView:
    """State, time stamps, turns with their timings, and figures once the session is over."""
    row = await owned(services, session_id, request)
    async with services.database.read() as session:
        states = await store.states(session, session_id)
        turns = await store.turns(session, session_id)
    return SessionView(
        id=row.id,
        agent_id=row.agent_id,
        agent_name=row.agent_name,
        state=SessionState(row.state),
        states={SessionState(state.state): state.at_ms for state in states},
        end_reason=EndReason(row.end_reason) if row.end_reason else None,
        turns=[_turn_view(turn) for turn in turns],
        figures=Figures.model_validate(row.figures) if row.figures is not None else None,
    )


@router.get("/session/{session_id}/transcript", response_model=Transcript)
async def transcript(
    session_id: str,
    request: Request,
    services: Provided,
    format: Literal["json", "vtt"] | None = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """What was said so far, as JSON or (``?format=vtt`` or ``Accept: text/vtt``) as captions."""
    row = await owned(services, session_id, request)
    async with services.database.read() as session:
        log = await store.events(session, session_id)
    said, zero_ms = utterances(log), began_ms(log) or row.created_at
    if format == "vtt" or (format is None and "text/vtt" in accept):
        captions = webvtt(said, zero_ms, {"user": "You", "agent": row.agent_name})
        return PlainTextResponse(captions, media_type="text/vtt; charset=utf-8")
    lines = [_line(utterance, zero_ms) for utterance in said]
    return JSONResponse(Transcript(session_id=session_id, lines=lines).model_dump(mode="json"))


@router.post("/session/{session_id}/end")
async def end(session_id: str, request: Request, services: Provided) -> SessionView:
    """End the session and answer with its final record."""
    await owned(services, session_id, request, "sessions:write")
    await services.sessions.end(session_id, EndReason.API_ENDED)
    return await show(session_id, request, services)


async def owned(
    services: Services, session_id: str, request: Request, scope: Scope = "sessions:read"
) -> SessionRow:
    """The session's row, if the caller may see it (or, by ``scope``, change it)."""
    await check_owner(services, session_id, request, scope)
    await services.sessions.flush()
    async with services.database.read() as session:
        row = await store.find(session, session_id)
    if row is None:
        raise Problem("session_not_found")
    return row


def _turn_view(turn: TurnRow) -> TurnView:
    return TurnView.model_validate(turn, from_attributes=True)


def _line(utterance: Utterance, zero_ms: int) -> Line:
    return Line(
        speaker=utterance.speaker,
        turn_id=utterance.turn_id,
        start_ms=max(utterance.start_ms - zero_ms, 0),
        end_ms=max(utterance.end_ms - zero_ms, 0),
        text=utterance.text,
        interrupted=utterance.interrupted,
    )
