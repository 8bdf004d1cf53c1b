"""A webhook that has only failed for five days is disabled."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from tests.integration.platform_webhooks.receiver import Receiver
from visavis.storage import webhooks as store
from visavis.storage.database import Database
from visavis.storage.tables import AttemptRow

DAY_MS = 86_400_000
NOW_MS = time.time_ns() // 1_000_000


async def failed_before(
    session: AsyncSession, webhook_id: str, history: Sequence[tuple[int, str | None]]
) -> None:
    """A delivery tried so many days ago, with these errors."""
    payload = {"type": "session.ended", "timestamp": "…", "data": {}}
    old = store.post(session, "http://x", payload, webhook_id=webhook_id, session_id=None)
    old.status = "failed"
    await session.flush()
    for number, (days, error) in enumerate(history, 1):
        at_ms = NOW_MS - days * DAY_MS
        session.add(
            AttemptRow(delivery_id=old.id, number=number, at_ms=at_ms, took_ms=1.0, error=error)
        )


@pytest.mark.parametrize(
    ("history", "since_days"),
    [
        ([(6, "http_error")], 6),
        ([(7, None), (6, "http_error"), (1, "timeout")], 6),
        ([(6, "http_error"), (1, None)], None),
        ([(4, "http_error"), (2, "timeout")], 4),
        ([], None),
    ],
)
async def test_since_when_it_fails(
    database_url: str, history: list[tuple[int, str | None]], since_days: int | None
) -> None:
    database = Database(database_url)
    await database.migrate()
    async with database.write() as session:
        await failed_before(session, "another", [(9, "http_error")])
        await failed_before(session, "hook", history)
    async with database.read() as session:
        since_ms = await store.failing_since(session, "hook")
    await database.close()
    assert since_ms == (None if since_days is None else NOW_MS - since_days * DAY_MS)


@pytest.mark.parametrize(("days", "is_disabled"), [(6, True), (4, False)])
async def test_after_five_days_it_is_disabled(
    open_house: Callable, receiver: Receiver, tmp_path: Path, days: int, is_disabled: bool
) -> None:
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    hook = await house.webhook(receiver.url)
    async with house.services.database.write() as session:
        await failed_before(session, hook["id"], [(days, "http_error")])
    tested = (await house.http.post(f"/v1/webhook/{hook['id']}/test")).json()  # nobody is there
    await house.until_tried()
    shown = await house.get(f"/v1/webhook/{hook['id']}")
    assert shown["enabled"] is not is_disabled
    assert shown["disabled_reason"] == ("failing" if is_disabled else None)
    if is_disabled:
        assert (await house.get(f"/v1/delivery/{tested['id']}"))["status"] == "cancelled"
