"""Finding agents: the built-in one, stored ones, and single-use ones that may be over."""

import re
from typing import Annotated

from fastapi import Path
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.demo import DEMO
from visavis.agents.fields import Id
from visavis.agents.schema import Agent
from visavis.server.errors import Problem
from visavis.server.services import Services
from visavis.sessions.live import now_ms
from visavis.storage import agents as store
from visavis.storage.tables import AgentRow

AgentId = Annotated[Id, Path(description="An agent's id, or ``demo``.")]


async def find(session: AsyncSession, agent_id: str) -> AgentRow:
    """The agent. Raises ``Problem``: ``agent_not_found``, ``agent_used``, ``agent_expired``."""
    if agent_id == DEMO.id:
        return store.row_of(DEMO, 0)
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", agent_id) is None:  # databases refuse some text
        return _alive(agent_id, None)
    return _alive(agent_id, await store.find(session, agent_id))


async def find_for_change(session: AsyncSession, agent_id: str) -> AgentRow:
    """The agent, also a single-use one that is over, held for the rest of the transaction.

    Raises ``Problem`` (``agent_not_found``, ``agent_builtin``).
    """
    if agent_id == DEMO.id:
        raise Problem(
            "agent_builtin", f"Make a copy that is yours: POST /v1/agent/{DEMO.id}/duplicate."
        )
    return _there(agent_id, await store.find_for_change(session, agent_id))


async def find_for_edit(session: AsyncSession, agent_id: str) -> AgentRow:
    """As ``find_for_change``; refuses single-use agents (``agent_single_use``), too."""
    row = _alive(agent_id, await find_for_change(session, agent_id))
    if row.kind == "ephemeral":
        raise Problem("agent_single_use", "Make a new one instead: POST /v1/ephemeral-agent.")
    return row


async def agent(services: Services, agent_id: str) -> Agent:
    """The agent as sessions see it. Raises ``Problem``, as ``find`` does."""
    if agent_id == DEMO.id:
        return DEMO
    async with services.database.read() as session:
        return store.agent_of(await find(session, agent_id))


def require_published(agent: Agent) -> None:
    """Raise ``Problem`` (``agent_draft``) for an agent that its maker still works on."""
    if agent.publish_status == "draft":
        raise Problem("agent_draft", "This agent is not open to visitors yet.")


def _there(agent_id: str, row: AgentRow | None) -> AgentRow:
    if row is None:
        raise Problem("agent_not_found", f"There is no agent {agent_id[:64]!r}.")
    return row


def _alive(agent_id: str, found: AgentRow | None) -> AgentRow:
    row = _there(agent_id, found)
    if row.activated_at is not None:
        raise Problem("agent_used", "This agent was for one session, which it has had.")
    if row.expires_at is not None and row.expires_at <= now_ms():
        raise Problem("agent_expired", "This agent waited for its one session in vain.")
    return row
