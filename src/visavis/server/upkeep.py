"""What the server forgets by the hour: old audit entries, kept answers, dead single-use agents."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from visavis.storage import agents, audit, idempotency
from visavis.storage.database import Database

EVERY_S = 3600.0
AUDIT_MS = 90 * 86_400_000
ANSWERS_MS = 25 * 3_600_000
"""A day is promised to callers, and an hour is ours."""
DEAD_AGENTS_MS = 86_400_000
"""So long a single-use agent says that it is past its time; then nobody knows it."""

log = structlog.stdlib.get_logger("visavis.server")


@asynccontextmanager
async def keeping_up(database: Database) -> AsyncGenerator[None]:
    """Sweep now and every hour until exit."""
    sweeper = asyncio.create_task(_keep_sweeping(database), name="upkeep")
    try:
        yield
    finally:
        sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeper


async def sweep(database: Database, now_ms: int) -> None:
    """Forget what is too old at ``now_ms`` (Unix ms)."""
    async with database.write() as session:
        await audit.sweep(session, now_ms - AUDIT_MS)
        await idempotency.sweep(session, now_ms - ANSWERS_MS)
        await agents.sweep(session, now_ms - DEAD_AGENTS_MS)


async def _keep_sweeping(database: Database) -> None:
    while True:
        try:
            await sweep(database, time.time_ns() // 1_000_000)
        except SQLAlchemyError as error:
            log.warning("upkeep_failed", error=type(error).__name__)
        await asyncio.sleep(EVERY_S)
