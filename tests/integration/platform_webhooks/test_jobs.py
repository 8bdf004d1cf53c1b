"""The durable queue itself, on SQLite and Postgres."""

import asyncio
from pathlib import Path

import pytest

from visavis.jobs import runtime
from visavis.jobs.runtime import Jobs, JobsError, jobs_url


class Attempts:
    """Counts what is attempted; says when so many were."""

    def __init__(self, *waits_s: float | None) -> None:
        self.made: list[tuple[str, int]] = []
        self._waits_s = list(waits_s)
        self._news = asyncio.Condition()

    async def __call__(self, delivery_id: str, number: int) -> float | None:
        async with self._news:
            self.made.append((delivery_id, number))
            self._news.notify_all()
        return self._waits_s.pop(0) if self._waits_s else None

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: len(self.made) >= count)


async def test_an_attempt_is_made_once_and_goes_on_until_none(
    database_url: str, tmp_path: Path
) -> None:
    attempts = Attempts(0.1, 0.1)
    async with Jobs(jobs_url(database_url, tmp_path), attempts).running() as jobs:
        for _ in range(3):
            await jobs.enqueue([("a", 1)])
        await attempts.until(3)
        await jobs.enqueue([("a", 1), ("a", 2), ("b", 1)])
        await attempts.until(4)
    assert attempts.made == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]


async def test_what_is_finished_is_forgotten_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = Attempts()
    async with Jobs(jobs_url(None, tmp_path), attempts).running() as jobs:
        await jobs.enqueue([("a", 1)])
        await attempts.until(1)
        await jobs.forget_finished()
        await jobs.enqueue([("a", 1)])  # known still: nothing happens
        monkeypatch.setattr(runtime, "KEEP_MS", -60_000)
        async with asyncio.timeout(20):
            while len(attempts.made) == 1:  # forgotten once its end is written down
                await jobs.forget_finished()
                await jobs.enqueue([("a", 1)])
                await asyncio.sleep(0.1)
    assert attempts.made == [("a", 1), ("a", 1)]


async def test_a_process_has_one_queue(tmp_path: Path) -> None:
    first, second = Attempts(), Attempts()
    async with (
        Jobs(jobs_url(None, tmp_path), first).running() as jobs,
        Jobs(jobs_url(None, tmp_path), second).running() as others,
    ):
        await jobs.enqueue([("a", 1)])
        with pytest.raises(JobsError):
            await others.enqueue([("b", 1)])
        await first.until(1)
    assert second.made == []


def test_jobs_are_kept_beside_our_data(tmp_path: Path) -> None:
    beside = f"sqlite:///{tmp_path}/jobs.db"
    assert jobs_url(None, tmp_path) == beside
    assert jobs_url("sqlite:////elsewhere/x.db", tmp_path) == beside
    for driver in ("postgres", "postgresql", "postgresql+psycopg"):
        assert jobs_url(f"{driver}://u:p%40ss@h:1/d", tmp_path) == "postgresql://u:p%40ss@h:1/d"
