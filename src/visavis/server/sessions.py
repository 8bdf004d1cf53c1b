"""Sessions over REST: start, look at, read, end."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from visavis.agents.demo import find_agent
from visavis.agents.schema import Agent
from visavis.events import EndReason, SessionState
from visavis.records.figures import Figures
from visavis.records.transcript import Utterance, began_ms, utterances
from visavis.records.webvtt import webvtt
from visavis.server.access import check_owner
from visavis.server.errors import Problem
from visavis.server.services import Provided, Services, public_url
from visavis.storage import sessions as store
from visavis.storage.tables import SessionRow, TurnRow

router = APIRouter(prefix="/v1")


class StartRequest(BaseModel):
    """``agentId``: an agent's id, or ``demo``."""

    model_config = ConfigDict(extra="ignore")

    agentId: str = Field(min_length=1, max_length=64)


class StartResponse(BaseModel):
    """``roomUrl`` and ``dailyToken`` join the room; ``webLink`` is a page that does it for you."""

    roomUrl: str
    dailyToken: str
    webLink: str
    sessionId: str
    expiresAt: str
    iceServers: list[dict[str, object]]


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


@router.post("/start-agent-session")
async def start(body: StartRequest, request: Request, services: Provided) -> StartResponse:
    """Reserve a session. Nothing runs, and nothing is billed, until someone joins its room."""
    agent = agent_or_problem(body.agentId)
    if not services.ready:
        raise Problem("starting", "The models are still loading.", retry_s=3)
    reservation = await services.sessions.reserve(agent)
    base = public_url(request, services.settings)
    return StartResponse(
        roomUrl=f"{base}/rooms/{reservation.session_id}",
        dailyToken=services.tokens.issue(reservation.session_id, reservation.join_by_ms),
        webLink=f"{base}/meet/{agent.id}",
        sessionId=reservation.session_id,
        expiresAt=_iso(reservation.join_by_ms),
        iceServers=services.settings.ice_servers,
    )


@router.get("/session/{session_id}")
async def show(session_id: str, request: Request, services: Provided) -> SessionView:
    """State, time stamps, turns with their timings, and figures once the session is over."""
    row = await _owned(services, session_id, request)
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
    row = await _owned(services, session_id, request)
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
    await _owned(services, session_id, request)
    await services.sessions.end(session_id, EndReason.API_ENDED)
    return await show(session_id, request, services)


def agent_or_problem(agent_id: str) -> Agent:
    agent = find_agent(agent_id)
    if agent is None:
        raise Problem("agent_not_found", f"There is no agent {agent_id[:64]!r}.")
    return agent


async def _owned(services: Services, session_id: str, request: Request) -> SessionRow:
    check_owner(services, session_id, request)
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


def _iso(unix_ms: int) -> str:
    moment = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
