"""Agents and their versions: rows in, rows out."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.schema import Agent, AgentConfiguration
from visavis.storage.tables import AgentRow


async def find(session: AsyncSession, agent_id: str) -> AgentRow | None:
    return await session.get(AgentRow, agent_id)


def agent_of(row: AgentRow) -> Agent:
    """The stored agent as sessions see it."""
    return Agent.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "configuration": AgentConfiguration.model_validate(row.configuration),
            "kind": row.kind,
            "publish_status": row.publish_status,
            "metadata": row.meta,
            "version": row.version,
        }
    )


async def activate(session: AsyncSession, agent_id: str, now_ms: int) -> bool:
    """Use up a single-use agent; False when it was used before or is past its time.

    One statement, so that of any number of simultaneous starts one wins.
    """
    statement = (
        update(AgentRow)
        .where(
            AgentRow.id == agent_id,
            AgentRow.activated_at.is_(None),
            AgentRow.expires_at > now_ms,
        )
        .values(activated_at=now_ms)
        .returning(AgentRow.id)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None
