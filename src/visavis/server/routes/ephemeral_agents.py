"""Single-use agents: ``POST /v1/ephemeral-agent``."""

from fastapi import APIRouter

from visavis.agents.schema import Agent
from visavis.api.agents import EphemeralAgent, EphemeralCreate, EphemeralCreated
from visavis.server.gate.access import AgentsWrite
from visavis.server.paging import iso
from visavis.server.routes import agent_changes as changes
from visavis.server.services import Provided
from visavis.sessions.live import now_ms
from visavis.storage import agents as store
from visavis.storage import audit

router = APIRouter(prefix="/v1", tags=["agents"])


@router.post("/ephemeral-agent", status_code=201)
async def create_ephemeral_agent(
    body: EphemeralCreate, services: Provided, caller: AgentsWrite
) -> EphemeralCreated:
    """Create an agent for one session, to be started within ``ttl_seconds``; then it is gone."""
    agent = Agent(
        id=store.new_id(),
        name="Single-use agent",
        kind="ephemeral",
        publish_status="private",
        configuration=body.configuration,
        metadata=body.metadata,
    )
    now = now_ms()
    async with services.database.write() as session:
        agent = await changes.checked(services, session, agent)
        row = store.create_single_use(session, agent, now, now + body.ttl_seconds * 1000)
        await audit.record(session, caller.actor, "agent.created", agent.id)
    return EphemeralCreated(
        agent=EphemeralAgent(
            id=row.id, expires_at=iso(row.expires_at or now), created_at=iso(row.created_at)
        )
    )
