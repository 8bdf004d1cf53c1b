"""Agents and their versions: rows in, rows out."""

import uuid
from collections.abc import Sequence

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.schema import Agent, AgentConfiguration, PublishStatus
from visavis.storage.tables import AgentRow, AgentVersionRow


async def find(session: AsyncSession, agent_id: str) -> AgentRow | None:
    return await session.get(AgentRow, agent_id)


async def find_for_change(session: AsyncSession, agent_id: str) -> AgentRow | None:
    """The row, held until the transaction ends, so that changes come one after another."""
    statement = select(AgentRow).where(AgentRow.id == agent_id).with_for_update()
    return (await session.scalars(statement)).one_or_none()


async def listing(
    session: AsyncSession,
    limit: int,
    before: tuple[int, str] | None = None,
    *,
    name: str | None = None,
    publish_status: PublishStatus | None = None,
) -> Sequence[AgentRow]:
    """Permanent agents, newest first, from behind the one with this creation time and id."""
    statement = (
        select(AgentRow)
        .where(AgentRow.kind == "permanent")
        .order_by(AgentRow.created_at.desc(), AgentRow.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(tuple_(AgentRow.created_at, AgentRow.id) < tuple_(*before))
    if name is not None:
        statement = statement.where(AgentRow.name == name)
    if publish_status is not None:
        statement = statement.where(AgentRow.publish_status == publish_status)
    return (await session.scalars(statement)).all()


def new_id() -> str:
    return str(uuid.uuid4())


async def create(session: AsyncSession, agent: Agent, note: str, now_ms: int) -> AgentRow:
    """Store a permanent agent and its first version."""
    row = row_of(agent, now_ms)
    session.add(row)
    await session.flush()
    session.add(version_of(row, note))
    return row


def create_single_use(
    session: AsyncSession, agent: Agent, now_ms: int, expires_at: int
) -> AgentRow:
    """Store an agent that starts at most once, before ``expires_at``."""
    row = row_of(agent, now_ms)
    row.expires_at = expires_at
    session.add(row)
    return row


async def sweep(session: AsyncSession, before_ms: int) -> None:
    """Forget single-use agents whose time was over at ``before_ms`` (Unix ms)."""
    await session.execute(
        delete(AgentRow).where(AgentRow.kind == "ephemeral", AgentRow.expires_at < before_ms)
    )


def change(session: AsyncSession, row: AgentRow, agent: Agent, note: str, now_ms: int) -> None:
    """Make the row what ``agent`` says, as a new version."""
    row.name = agent.name
    row.publish_status = agent.publish_status
    row.configuration = agent.configuration.model_dump(mode="json")
    row.meta = agent.metadata
    row.version += 1
    row.updated_at = now_ms
    session.add(version_of(row, note))


async def remove(session: AsyncSession, row: AgentRow) -> None:
    """Delete the agent and its versions; its sessions stay."""
    await session.execute(delete(AgentVersionRow).where(AgentVersionRow.agent_id == row.id))
    await session.delete(row)


async def versions(
    session: AsyncSession, agent_id: str, limit: int, before: int | None = None
) -> Sequence[AgentVersionRow]:
    """Versions newest first, from below ``before``."""
    statement = (
        select(AgentVersionRow)
        .where(AgentVersionRow.agent_id == agent_id)
        .order_by(AgentVersionRow.version.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(AgentVersionRow.version < before)
    return (await session.scalars(statement)).all()


async def version(session: AsyncSession, agent_id: str, number: int) -> AgentVersionRow | None:
    return await session.get(AgentVersionRow, (agent_id, number))


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


async def was_used(session: AsyncSession, agent_id: str) -> bool:
    """Whether a single-use agent has had its session."""
    statement = select(AgentRow.activated_at).where(AgentRow.id == agent_id)
    return (await session.scalars(statement)).one_or_none() is not None


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


def row_of(agent: Agent, now_ms: int) -> AgentRow:
    """A row for a new agent, in no session yet."""
    return AgentRow(
        id=agent.id,
        kind=agent.kind,
        name=agent.name,
        publish_status=agent.publish_status,
        configuration=agent.configuration.model_dump(mode="json"),
        meta=agent.metadata,
        version=agent.version,
        created_at=now_ms,
        updated_at=now_ms,
    )


def version_of(row: AgentRow, note: str) -> AgentVersionRow:
    """The agent as it is now, as a version."""
    return AgentVersionRow(
        agent_id=row.id,
        version=row.version,
        created_at=row.updated_at,
        note=note[:200],
        name=row.name,
        publish_status=row.publish_status,
        configuration=row.configuration,
        meta=row.meta,
    )
