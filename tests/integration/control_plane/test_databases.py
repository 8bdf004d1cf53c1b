"""The store works alike on SQLite and Postgres, and grows from the first released schema."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from visavis.storage import database as db
from visavis.storage.database import Database
from visavis.storage.tables import Base, SessionRow


async def test_a_new_database_has_exactly_the_tables_of_the_code(database_url: str) -> None:
    database = Database(database_url)
    try:
        await database.migrate()
        difference = await database.inspect(
            lambda c: compare_metadata(MigrationContext.configure(c), Base.metadata)
        )
        assert difference == []
    finally:
        await database.close()


async def test_a_session_of_the_first_release_survives_the_upgrade(database_url: str) -> None:
    database = Database(database_url)
    try:
        await database.migrate("0001")
        async with database.write() as session:
            await session.execute(
                text(
                    "INSERT INTO sessions (id, agent_id, agent_name, configuration, state,"
                    " created_at, join_by)"
                    " VALUES ('s1', 'demo', 'Ava', '{\"a\": 1}', 'ended', 5, 6)"
                )
            )
        await database.migrate()
        async with database.read() as session:
            row = await session.get_one(SessionRow, "s1")
            assert (row.agent_name, row.created_at, row.configuration) == ("Ava", 5, {"a": 1})
            assert (row.agent_version, row.meta, row.recording) == (1, {}, None)
        await database.migrate()  # and once more does no harm
    finally:
        await database.close()


def test_a_postgres_url_may_be_written_in_any_common_way() -> None:
    for given in ("postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"):
        url = db.async_url(given)
        assert (url.drivername, url.password) == ("postgresql+psycopg", "p")
