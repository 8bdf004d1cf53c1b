"""Deliveries: from the outbox to the receiver, until it says 2xx or the schedule ends.

At least once: an attempt that a crash cut off is made again, with the same ``webhook-id``, by
which a receiver knows what it has. Messages may arrive out of order.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.jobs import payloads
from visavis.jobs.runtime import Jobs, JobsError
from visavis.jobs.schedule import Schedule, retry_after_s
from visavis.jobs.signing import Secrets
from visavis.net.client import GuardedClient, OutgoingError
from visavis.storage import webhooks as store
from visavis.storage.database import Database
from visavis.storage.tables import AttemptRow, DeliveryRow, WebhookRow
from visavis.storage.vault import Vault, VaultError

TIMEOUT_S = 20.0
SWEEP_S = 10.0
TIDY_S = 3600.0
RETRY_S = 1.0
BATCH = 200
ANSWER_BYTES = 64 * 1024
"""What a receiver says beyond its status is not kept."""
GIVE_UP_MS = 5 * 24 * 3600 * 1000
"""A webhook that has only failed for this long is disabled."""
GONE = 410
BUSY = (429, 503)
"""Who answers so may say with ``Retry-After`` how long to leave it alone."""

log = structlog.stdlib.get_logger("visavis.webhooks")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt went; ``error`` is None when the receiver took the message."""

    at_ms: int
    took_ms: float
    status_code: int | None
    error: str | None
    wish_s: float = 0.0
    """How long the receiver asked to be left alone."""


class Deliveries:
    """Hands what is in the outbox to the queue, and makes the attempts when it is their time."""

    def __init__(
        self,
        database: Database,
        http: GuardedClient,
        vault: Vault,
        callback_secret: Secrets,
        jobs_url: str,
        schedule: Schedule | None = None,
    ) -> None:
        self._database = database
        self._http = http
        self._vault = vault
        self._callback_secret = callback_secret
        self._schedule = schedule or Schedule()
        self._jobs = Jobs(jobs_url, self._attempt)
        self._woken = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Deliveries"]:
        async with self._jobs.running(), asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._hand_over()), group.create_task(self._tidy())]
            yield self
            for task in tasks:
                task.cancel()

    def wake(self) -> None:
        """There may be something new in the outbox."""
        self._woken.set()

    async def _hand_over(self) -> None:
        """New messages at once; now and then those whose timer was lost with a job database."""
        while True:
            self._woken.clear()
            try:
                if await self._hand_over_some() == BATCH:
                    continue
            except (SQLAlchemyError, JobsError) as error:
                log.error("deliveries_waiting", error=type(error).__name__, why=str(error)[:200])
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _hand_over_some(self) -> int:
        async with self._database.read() as session:
            if not await store.any_pending(session):
                return 0
            found = await store.not_under_way(session, _now_ms(), BATCH)
        await self._jobs.start()
        await self._jobs.take_over()
        if found:
            await self._jobs.enqueue(found)
            async with self._database.write() as session:
                await store.taken_on(session, [one for one, _ in found], _now_ms())
        return len(found)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            try:
                await self._jobs.forget_finished()
            except JobsError as error:
                log.error("jobs_untidy", error=str(error))

    # -- one attempt -----------------------------------------------------------------------------

    async def _attempt(self, delivery_id: str, number: int) -> float | None:
        """Try once. The seconds to the next try, None when there is none."""
        found = await _stubbornly(lambda: self._find(delivery_id, number))
        if found is None:
            return None
        row, webhook, made = found
        if made is None:
            outcome = await self._send(row, webhook)
            return await _stubbornly(lambda: self._record(delivery_id, number, outcome))
        return max(0.0, ((row.next_attempt_at or 0) - _now_ms()) / 1000)

    async def _find(
        self, delivery_id: str, number: int
    ) -> tuple[DeliveryRow, WebhookRow | None, AttemptRow | None] | None:
        """The delivery if it is still wanted, and this attempt if it was made before a crash."""
        async with self._database.read() as session:
            row = await store.delivery(session, delivery_id)
            if row is None or row.status != "pending":
                return None
            webhook = await store.find(session, row.webhook_id) if row.webhook_id else None
            return row, webhook, await store.attempt(session, delivery_id, number)

    async def _send(self, row: DeliveryRow, webhook: WebhookRow | None) -> Outcome:
        at_ms, begun = _now_ms(), time.monotonic()
        status: int | None = None
        wish_s = 0.0
        try:
            secrets = Secrets.unseal(self._vault, webhook.sealed) if webhook else None
            body = payloads.encode(row.payload)
            headers = (secrets or self._callback_secret).headers(row.id, at_ms, body)
            answer = await self._http.request(
                "POST",
                row.url,
                headers={"Content-Type": "application/json", **headers},
                body=body,
                timeout_s=TIMEOUT_S,
                max_bytes=ANSWER_BYTES,
            )
            status, error = answer.status, None if _is_ok(answer.status) else _why(answer.status)
            if status in BUSY:
                wish_s = retry_after_s(answer.headers.get("retry-after", ""), time.time())
        except OutgoingError as problem:
            status, error = problem.status, f"{problem.code}: {problem.message}"
            if problem.code == "response_too_large" and status is not None and _is_ok(status):
                error = None
        except VaultError:
            error = "secret_lost: the signing secret was sealed by another server secret"
        return Outcome(at_ms, (time.monotonic() - begun) * 1000, status, error, wish_s)

    async def _record(self, delivery_id: str, number: int, outcome: Outcome) -> float | None:
        """Log the attempt, and decide what follows from it."""
        async with self._database.write() as session:
            row = await store.delivery(session, delivery_id)
            if row is None or await store.attempt(session, delivery_id, number) is not None:
                return None  # deleted with its session, or written down before
            session.add(_attempt_row(delivery_id, number, outcome))
            if row.status != "pending":  # cancelled while it was sent
                return None
            wait_s = self._settle(row, number, outcome)
            if outcome.error is not None and row.webhook_id is not None:
                await session.flush()
                await _judge(session, row.webhook_id, outcome)
            return wait_s

    def _settle(self, row: DeliveryRow, number: int, outcome: Outcome) -> float | None:
        row.next_attempt_at = None
        if outcome.error is None:
            row.status = "delivered"
            return None
        gone = outcome.status_code == GONE
        wait_s = None if gone else self._schedule.wait_s(number, outcome.wish_s)
        if wait_s is None:
            row.status = "failed"
        else:
            row.next_attempt_at = _now_ms() + int(wait_s * 1000)
        return wait_s


async def _judge(session: AsyncSession, webhook_id: str, outcome: Outcome) -> None:
    """Disable a webhook that says it is gone, or that has failed for days."""
    webhook = await store.find(session, webhook_id)
    if webhook is None or not webhook.enabled:
        return
    if outcome.status_code == GONE:
        await store.disable(session, webhook, "gone", _now_ms())
        return
    since_ms = await store.failing_since(session, webhook_id)
    if since_ms is not None and since_ms < _now_ms() - GIVE_UP_MS:
        await store.disable(session, webhook, "failing", _now_ms())


def _attempt_row(delivery_id: str, number: int, outcome: Outcome) -> AttemptRow:
    return AttemptRow(
        delivery_id=delivery_id,
        number=number,
        at_ms=outcome.at_ms,
        took_ms=round(outcome.took_ms, 1),
        status_code=outcome.status_code,
        error=outcome.error and outcome.error[:300],
    )


async def _stubbornly(work: Callable[[], Awaitable[T]]) -> T:
    """Until the database can be reached: what was sent must be written down."""
    while True:
        try:
            return await work()
        except SQLAlchemyError as error:
            log.error("database_unavailable", error=type(error).__name__)
            await asyncio.sleep(RETRY_S)


def _is_ok(status: int) -> bool:
    return 200 <= status < 300


def _why(status: int) -> str:
    if 300 <= status < 400:
        return f"redirected: HTTP {status}; a webhook's URL must not redirect"
    return f"http_error: HTTP {status}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
