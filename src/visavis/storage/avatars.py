"""Avatars made here: rows in, rows out. Their files are blobs."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.storage.tables import AgentRow, AvatarRow


async def find(session: AsyncSession, avatar_id: str) -> AvatarRow | None:
    return await session.get(AvatarRow, avatar_id)


async def listing(
    session: AsyncSession, limit: int, before: tuple[int, str] | None = None
) -> Sequence[AvatarRow]:
    """Avatars, newest first, from behind the one with this creation time and id."""
    statement = select(AvatarRow).order_by(AvatarRow.created_at.desc(), AvatarRow.id.desc())
    if before is not None:
        statement = statement.where(tuple_(AvatarRow.created_at, AvatarRow.id) < tuple_(*before))
    return (await session.scalars(statement.limit(limit))).all()


async def count(session: AsyncSession) -> int:
    return (await session.scalar(select(func.count()).select_from(AvatarRow))) or 0


async def users_of(
    session: AsyncSession, avatar_id: str, now_ms: int, limit: int
) -> Sequence[AgentRow]:
    """Agents that have this face, or fall back on it, and can still be started."""
    video = AgentRow.configuration["video"]
    startable = or_(
        AgentRow.kind == "permanent",
        AgentRow.activated_at.is_(None) & (AgentRow.expires_at > now_ms),
    )
    statement = (
        select(AgentRow)
        .where(
            or_(
                video["character_id"].as_string() == avatar_id,
                video["fallback_character_id"].as_string() == avatar_id,
            ),
            startable,
        )
        .order_by(AgentRow.created_at.desc())
        .limit(limit)
    )
    return (await session.scalars(statement)).all()
