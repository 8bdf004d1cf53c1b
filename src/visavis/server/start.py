"""Starting a session: ``POST /v1/start-agent-session``."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from visavis.agents.demo import find_agent
from visavis.agents.schema import Agent
from visavis.server.errors import Problem
from visavis.server.paging import iso
from visavis.server.services import Provided, public_url

router = APIRouter(prefix="/v1", tags=["sessions"])


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
        expiresAt=iso(reservation.join_by_ms),
        iceServers=services.settings.ice_servers,
    )


def agent_or_problem(agent_id: str) -> Agent:
    agent = find_agent(agent_id)
    if agent is None:
        raise Problem("agent_not_found", f"There is no agent {agent_id[:64]!r}.")
    return agent
