import asyncio
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from visavis.events import (
    AgentSaid,
    EndReason,
    EventRecord,
    SessionState,
    StateEntered,
    TurnCompleted,
    TurnTimings,
)
from visavis.sessions.journal import BATCH_S, Journal
from visavis.storage import sessions as store
from visavis.storage import slots
from visavis.storage.database import Database, sqlite_url
from visavis.storage.tables import Base, SessionRow


def row(session_id: str) -> SessionRow:
    return SessionRow(
        id=session_id,
        agent_id="demo",
        agent_name="Ava",
        configuration={},
        state="request",
        created_at=1,
        join_by=2,
    )


def record(seq: int, event, session_id: str = "s") -> EventRecord:
    return EventRecord(session_id=session_id, seq=seq, at_ms=100 + seq, event=event)


@pytest.fixture
async def database(tmp_path):
    database = Database(sqlite_url(tmp_path / "test.db"))
    await database.migrate()
    yield database
    await database.close()


async def test_migrations_make_exactly_the_tables_of_the_code(database):
    def differences(connection):
        return compare_metadata(MigrationContext.configure(connection), Base.metadata)

    assert await database.inspect(differences) == []
    await database.migrate()  # again: nothing to do


async def test_sqlite_is_set_up_for_a_server(database):
    def pragmas(connection):
        names = ("journal_mode", "foreign_keys", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await database.inspect(pragmas) == ["wal", 1, 10_000]


async def test_claims_at_once_never_share_a_slot(database):
    async with database.write() as session:
        await slots.lay_out(session, 7)
        session.add_all(row(f"s{n}") for n in range(40))

    async def claim(session_id: str) -> int | None:
        async with database.write() as session:
            return await slots.claim(session, session_id, 1000)

    fences = await asyncio.gather(*(claim(f"s{n}") for n in range(40)))
    assert sum(fence is not None for fence in fences) == 7
    async with database.read() as session:
        assert await slots.count_free(session) == 0


async def test_a_slot_comes_back_with_a_higher_fence(database):
    async with database.write() as session:
        await slots.lay_out(session, 1)
        session.add_all([row("a"), row("b")])
        await session.flush()
        assert await slots.claim(session, "a", 1000) == 1
        assert await slots.earliest_expiry(session) == 1000
        await slots.extend(session, "a", 2000)
        assert await slots.claim(session, "b", 1000) is None
        await slots.release(session, "a")
        await slots.release(session, "a")
        assert await slots.claim(session, "b", 1000) == 2
    async with database.write() as session:
        await slots.lay_out(session, 3)
        assert await slots.count_free(session) == 3
        await slots.lay_out(session, 2)
        assert await slots.count_free(session) == 2


async def test_the_log_is_read_back_as_it_was_written(database):
    turn = TurnCompleted(1, "hello", "hi", True, TurnTimings(transcript_ms=1.5), 3, 1)
    records = [
        record(0, StateEntered(SessionState.REQUEST)),
        record(1, StateEntered(SessionState.CONVERSATION)),
        record(2, AgentSaid(1, "hi")),
        record(3, turn),
    ]
    async with database.write() as session:
        session.add(row("s"))
        await session.flush()
        await store.append(session, records)
    async with database.read() as session:
        assert await store.events(session, "s") == records
        states = [(state.state, state.at_ms) for state in await store.states(session, "s")]
        assert states == [("request", 100), ("conversation", 101)]
        (kept,) = await store.turns(session, "s")
        assert (kept.user_text, kept.timings["transcript_ms"]) == ("hello", 1.5)
        assert (await store.find(session, "s")).state == "conversation"
        assert await store.open_ids(session) == ["s"]
    async with database.write() as session:
        await store.mark_ended(session, "s", 9, EndReason.USER_LEFT, {"turns": 1})
    async with database.read() as session:
        assert await store.open_ids(session) == []


async def test_the_journal_writes_in_small_batches_and_all_of_it(database, tmp_path):
    async with database.write() as session:
        session.add(row("s"))
    async with Journal(database).running() as journal:
        for seq in range(500):
            await journal.add(record(seq, AgentSaid(1, str(seq))))
        await journal.flush()
        with sqlite3.connect(tmp_path / "test.db") as other:
            assert other.execute("select count(*) from events").fetchone() == (500,)
        await journal.add(record(500, AgentSaid(1, "last")))
    async with database.read() as session:
        assert len(await store.events(session, "s")) == 501
    assert BATCH_S <= 0.2


async def test_one_impossible_event_does_not_cost_the_others(database):
    async with database.write() as session:
        session.add(row("s"))
    async with Journal(database).running() as journal:
        for seq in (0, 1, 1, 2):
            await journal.add(record(seq, AgentSaid(1, str(seq))))
        await journal.add(record(0, AgentSaid(1, "nobody's"), session_id="none"))
        await journal.add(record(3, AgentSaid(1, "3")))
    async with database.read() as session:
        assert [r.seq for r in await store.events(session, "s")] == [0, 1, 2, 3]
