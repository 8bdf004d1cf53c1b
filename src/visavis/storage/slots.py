"""Slot leases: how many sessions there may be, decided in one SQL statement.

A slot is held by a session's id, which is never used again: nothing that comes late can free
or extend another session's slot. ``fence`` only counts how often a slot was claimed.
"""

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.storage.tables import SlotRow


async def lay_out(session: AsyncSession, capacity: int) -> None:
    """Make exactly ``capacity`` free slots. For start-up, when no session is running."""
    await session.execute(update(SlotRow).values(session_id=None, expires_at=None))
    await session.execute(delete(SlotRow).where(SlotRow.id >= capacity))
    present = set((await session.scalars(select(SlotRow.id))).all())
    session.add_all(SlotRow(id=slot, fence=0) for slot in range(capacity) if slot not in present)


async def claim(session: AsyncSession, session_id: str, expires_at: int) -> int | None:
    """Take a free slot; its fence, or None when the house is full."""
    free = (
        select(SlotRow.id)
        .where(SlotRow.session_id.is_(None))
        .order_by(SlotRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    statement = (
        update(SlotRow)
        .where(SlotRow.id == free, SlotRow.session_id.is_(None))
        .values(session_id=session_id, fence=SlotRow.fence + 1, expires_at=expires_at)
        .returning(SlotRow.fence)
        .execution_options(synchronize_session=False)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def extend(session: AsyncSession, session_id: str, expires_at: int) -> None:
    """Keep a slot for longer."""
    await session.execute(
        update(SlotRow).where(SlotRow.session_id == session_id).values(expires_at=expires_at)
    )


async def release(session: AsyncSession, session_id: str) -> None:
    """Give the slot back; no harm if it already was."""
    await session.execute(
        update(SlotRow)
        .where(SlotRow.session_id == session_id)
        .values(session_id=None, expires_at=None)
    )


async def count_free(session: AsyncSession) -> int:
    statement = select(func.count()).select_from(SlotRow).where(SlotRow.session_id.is_(None))
    return (await session.execute(statement)).scalar_one()


async def earliest_expiry(session: AsyncSession) -> int | None:
    """When the next lease runs out (Unix ms)."""
    return (await session.execute(select(func.min(SlotRow.expires_at)))).scalar_one()
