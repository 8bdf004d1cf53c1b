"""Deleting: nothing of a session is left, neither in the database nor in files (case 25)."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import select

from tests.integration.platform_records.conftest import Records
from tests.integration.platform_records.recorded_worker import MARK
from visavis.jobs.retention import DAY_MS, Retention
from visavis.storage import sessions as store
from visavis.storage.blobs import BlobsError
from visavis.storage.tables import (
    AttemptRow,
    AuditRow,
    DeliveryRow,
    IdempotencyRow,
    SessionRow,
)


async def _tell_others(records: Records, session_id: str) -> None:
    """What webhooks and kept answers hold of a session."""
    async with records.house.services.database.write() as session:
        session.add(
            DeliveryRow(
                id=f"d-{session_id}",
                session_id=session_id,
                url="https://hooks.example",
                event_type="transcript.ready",
                payload={"transcript": f"{MARK} in a webhook"},
                status="delivered",
                created_at=1,
            )
        )
        await session.flush()
        session.add(AttemptRow(delivery_id=f"d-{session_id}", number=1, at_ms=1, took_ms=1.0))
        session.add(
            IdempotencyRow(
                caller="home",
                key=f"k-{session_id}",
                fingerprint="f",
                status=200,
                body=f'{{"id": "{session_id}", "turns": ["{MARK} in an answer"]}}',
                created_at=1,
            )
        )


async def _row(records: Records, session_id: str) -> SessionRow | None:
    async with records.house.services.database.read() as session:
        return await store.find(session, session_id)


async def test_deleting_leaves_only_an_audit_row(open_records: Callable, database_url: str) -> None:
    records = await open_records(database_url=database_url)
    session_id, other_id = await records.call("yes-leave"), await records.call("none-leave")
    for each in (session_id, other_id):
        await records.ended(each)
        await _tell_others(records, each)
    assert (await records.recording(session_id)).status_code == 200
    assert (await records.rows()).count(MARK) > 10, "the scan sees what is there"
    assert bool(records.on_disk("marzipan")) == database_url.startswith("sqlite")

    for each in (session_id, other_id):
        assert (await records.http.delete(f"/v1/session/{each}")).status_code == 204

    assert records.media() == []
    assert records.on_disk("marzipan") == []
    rows = await records.rows()
    assert "marzipan" not in rows
    assert rows.count(session_id) == 1
    async with records.house.services.database.read() as session:
        audited = (
            await session.scalars(select(AuditRow).where(AuditRow.subject == session_id))
        ).one()
    assert (audited.action, audited.actor) == ("session.deleted", "home")
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/transcript"),
        ("GET", "/recording"),
    ):
        answer = await records.http.request(method, f"/v1/session/{session_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")


async def test_other_sessions_stay(open_records: Callable) -> None:
    records = await open_records()
    session_id, other_id = await records.call("none-leave"), await records.call("yes-leave")
    for each in (session_id, other_id):
        await records.ended(each)
        await _tell_others(records, each)
    assert (await records.recording(other_id)).status_code == 200
    before = len(await records.log(other_id))
    assert (await records.http.delete(f"/v1/session/{session_id}")).status_code == 204
    assert len(await records.log(other_id)) == before
    assert (await records.recording(other_id)).status_code == 200
    async with records.house.services.database.read() as session:
        assert (await session.scalars(select(DeliveryRow.session_id))).all() == [other_id]
        assert (await session.scalars(select(IdempotencyRow.key))).all() == [f"k-{other_id}"]


async def test_a_running_session_is_deleted_only_by_force(open_records: Callable) -> None:
    records = await open_records()
    session_id = await records.call("yes-stay")
    await records.until_media(f"recordings/{session_id}.capture")
    refused = await records.http.delete(f"/v1/session/{session_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "session_running")
    assert await _row(records, session_id) is not None
    forced = await records.http.delete(f"/v1/session/{session_id}?force=true")
    assert forced.status_code == 204
    assert await _row(records, session_id) is None
    assert records.media() == []
    assert records.on_disk("marzipan") == []


async def test_a_recording_that_is_being_made_is_stopped(open_records: Callable) -> None:
    records = await open_records()
    session_id = await records.call("yes-leave")
    await records.ended(session_id)  # its conversion has just begun
    assert (await records.http.delete(f"/v1/session/{session_id}")).status_code == 204
    assert records.media() == []
    await asyncio.sleep(1)
    assert records.media() == []
    # The next one is made all the same.
    next_id = await records.call("yes-leave")
    await records.ended(next_id)
    assert (await records.recording(next_id)).status_code == 200


async def test_a_recording_that_cannot_be_removed_keeps_its_session(
    open_records: Callable,
) -> None:
    """The row is what the file is found by."""
    records = await open_records()
    session_id = await records.call("yes-leave")
    await records.ended(session_id)
    assert (await records.recording(session_id)).status_code == 200
    records.hide_blobs()
    assert (await records.recording(session_id)).status_code == 503
    refused = await records.http.delete(f"/v1/session/{session_id}")
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert await _row(records, session_id) is not None
    records.show_blobs()
    assert (await records.http.delete(f"/v1/session/{session_id}")).status_code == 204
    assert records.media() == []


async def test_retention_deletes_what_is_due(open_records: Callable, database_url: str) -> None:
    records = await open_records(database_url=database_url, retention_days=30)
    services = records.house.services
    agents_own = await records.call("yes-leave", retention={"days": 7})
    houses = await records.call("none-leave")
    for session_id, days in ((agents_own, 7), (houses, 30)):
        await records.ended(session_id)
        row = await _row(records, session_id)
        assert row is not None
        assert row.delete_after == row.ended_at + days * DAY_MS
    assert (await records.recording(agents_own)).status_code == 200

    retention = Retention(services.database, 30)

    async def delete(session_id: str) -> None:
        await services.deletion.delete(session_id, "server")

    assert await retention.sweep(delete) == 0
    async with services.database.write() as session:
        await store.set_delete_after(session, agents_own, 1)
    assert await retention.sweep(delete) == 1
    assert await _row(records, agents_own) is None
    assert await _row(records, houses) is not None
    assert records.media() == []


async def test_what_cannot_be_deleted_does_not_keep_others(open_records: Callable) -> None:
    records = await open_records()
    services = records.house.services
    stuck, due = await records.call("none-leave"), await records.call("none-leave")
    for at_ms, session_id in enumerate((stuck, due)):
        await records.ended(session_id)
        async with services.database.write() as session:
            await store.set_delete_after(session, session_id, at_ms)

    async def delete(session_id: str) -> None:
        if session_id == stuck:
            raise BlobsError("The store of files failed.")
        await services.deletion.delete(session_id, "server")

    assert await Retention(services.database, None).sweep(delete) == 1
    assert await _row(records, stuck) is not None
    assert await _row(records, due) is None


async def test_overdue_sessions_go_when_the_server_starts(open_records: Callable) -> None:
    records = await open_records()
    session_id = await records.call("none-leave")
    await records.ended(session_id)
    async with records.house.services.database.write() as session:
        await store.set_delete_after(session, session_id, 1)
    again = await open_records()
    async with asyncio.timeout(10):
        while True:
            if await _row(again, session_id) is None:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("end", ["stay", "leave"])
async def test_zero_retention_keeps_no_words_even_while_the_call_runs(
    open_records: Callable, database_url: str, end: str
) -> None:
    records = await open_records(database_url=database_url)
    session_id = await records.call(f"yes-{end}", retention={"zero": True})
    await records.shown(session_id)
    assert records.on_disk("marzipan") == []
    assert "marzipan" not in await records.rows()
    if end == "stay":
        await records.http.post(f"/v1/session/{session_id}/end")
    await records.ended(session_id)
    assert records.on_disk("marzipan") == []
    assert "marzipan" not in await records.rows()
    # What is counted and timed stays.
    record = await records.house.session({"sessionId": session_id})
    assert record["figures"]["turns"] == 1
    assert record["figures"]["agent_talk_ms"] > 0
    assert record["figures"]["voice_to_voice_median_ms"] == 800.0
    kinds = [record.event.type for record in await records.log(session_id)]
    assert kinds.count("tool_call_finished") == 1
    transcript = (await records.http.get(f"/v1/session/{session_id}/transcript")).json()
    assert transcript["lines"] == []
