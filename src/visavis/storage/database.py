"""The database: connections, transactions and migrations. The only file that knows dialects."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

T = TypeVar("T")

BUSY_TIMEOUT_MS = 10_000
SCRUB_TRIES = 3
SCRUB_PAUSE_S = 0.1


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


def async_url(url: str) -> URL:
    """``url`` with the driver we use, however its owner wrote it (``postgres://…``)."""
    parsed = make_url(url)
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite":
        return parsed.set(drivername="sqlite+aiosqlite")
    return parsed


class Database:
    """Short transactions on one engine. ``read()`` sees a snapshot; ``write()`` commits at exit."""

    def __init__(self, url: str) -> None:
        address = async_url(url)
        self._engine = create_async_engine(address, pool_pre_ping=True)
        if address.get_backend_name() == "sqlite":
            _tune_sqlite(self._engine)
        writing = self._engine.execution_options(visavis_write=True)
        self._readers = async_sessionmaker(self._engine, expire_on_commit=False)
        self._writers = async_sessionmaker(writing, expire_on_commit=False)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        async with self._readers.begin() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncSession]:
        async with self._writers.begin() as session:
            yield session

    async def migrate(self, revision: str = "head") -> None:
        """Bring the schema to ``revision``, by default the newest."""
        async with self._engine.begin() as connection:
            await connection.run_sync(_upgrade, revision)

    async def inspect(self, check: Callable[[Connection], T]) -> T:
        """Run ``check`` on a plain connection (schema inspection)."""
        async with self._engine.connect() as connection:
            return await connection.run_sync(check)

    async def scrub(self) -> None:
        """Make what was deleted vanish from the database's files as well, where that takes a step.

        SQLite's write-ahead log still holds the pages as they were: it is written back and cut.
        A reader in its way is waited for, but not for long: the next commits do the rest.
        """
        if self._engine.url.get_backend_name() != "sqlite":
            return
        for _ in range(SCRUB_TRIES):
            async with self._engine.connect() as connection:
                raw = await connection.get_raw_connection()
                driver: Any = raw.driver_connection
                cursor = await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                busy = (await cursor.fetchone())[0]
                await cursor.close()
            if not busy:
                return
            await asyncio.sleep(SCRUB_PAUSE_S)

    async def close(self) -> None:
        await self._engine.dispose()


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _tune_sqlite(engine: AsyncEngine) -> None:
    """WAL, foreign keys, and writers that queue at BEGIN instead of failing at their first write.

    Python's driver opens transactions late and deferred; a read that later writes would then
    fail with "database is locked" at once, without waiting.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten, too
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("visavis_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    _ = (_on_connect, _on_begin)
