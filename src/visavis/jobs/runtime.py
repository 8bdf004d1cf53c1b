"""DBOS in this process: a durable queue with delays, in a database of its own.

It keeps its tables in ``jobs.db`` beside ours, or in a schema of the same Postgres. It opens no
port and calls nobody. Its workflows run on an event loop of DBOS's own thread; the work itself is
done on the server's loop, where database and HTTP client live.

One workflow is one attempt at one delivery, so that a thousand deliveries which wait for tomorrow
are a thousand rows, not a thousand tasks. Its id is the delivery's and the attempt's number:
however often it is enqueued, it runs once. A workflow that a crash cut off runs again: at the next
start of its server, or, on Postgres, soon at another server (see ``seat``).
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ParamSpec

import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions
from dbos import error as dbos_error
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from visavis.jobs.seat import Seat

QUEUE = "deliveries"
WORKFLOW = "attempt_delivery"
POSTGRES_SCHEMA = "visavis_jobs"
APP_VERSION = "1"
"""Raise it only when old attempts must not be taken up by new code."""
AT_ONCE = 16
POLL_S = 0.5
KEEP_MS = 24 * 3600 * 1000
"""Finished workflows are forgotten after this."""
FORGET_BATCH = 1000
TAKE_OVER_S = 30.0
"""How often to look for what servers that are gone have left."""

log = structlog.stdlib.get_logger("visavis.jobs")

P = ParamSpec("P")
Attempt = Callable[[str, int], Awaitable[float | None]]
"""Tries a delivery for the n-th time; answers the seconds to the next try, None for the last."""


@dataclass(slots=True)
class _Work:
    loop: asyncio.AbstractEventLoop
    attempt: Attempt
    seat: Seat | None


class JobsError(Exception):
    """The queue cannot be used now; nothing is lost by trying again."""


_work: _Work | None = None  # DBOS is one per process, and so is what its workflows call


class Jobs:
    """DBOS starts when it is first needed: a server without webhooks does without it."""

    def __init__(self, url: str, attempt: Attempt) -> None:
        self._url = url
        self._attempt = attempt
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobs")
        self._is_on = False
        self._took_over = -TAKE_OVER_S

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["Jobs"]:
        """Attempts that are under way at exit are broken off, and made again at the next start."""
        try:
            yield self
        finally:
            if self._is_on:
                await self._in_thread(_stop)
            self._thread.shutdown(wait=False)

    async def start(self) -> None:
        """Take up what an earlier server left in the queue. Raises ``JobsError``."""
        if self._is_on:
            return
        if _work is not None:
            raise JobsError("another server in this process delivers webhooks already")
        self._is_on = True
        seat = Seat(self._url) if self._url.startswith("postgresql") else None
        work = _Work(asyncio.get_running_loop(), self._attempt, seat)
        try:
            await self._in_thread(_launch, self._url, work)
        except JobsError:
            self._is_on = False
            raise

    async def enqueue(self, attempts: Sequence[tuple[str, int]]) -> None:
        """Attempt each delivery now, unless this attempt at it was enqueued before.

        Raises ``JobsError``.
        """
        await self.start()
        await self._in_thread(_enqueue, attempts)

    async def take_over(self) -> None:
        """Take up the attempts of servers on the same Postgres that are gone, now and then.

        Raises ``JobsError``.
        """
        now_s = time.monotonic()
        if self._is_on and now_s - self._took_over >= TAKE_OVER_S:
            self._took_over = now_s
            await self._in_thread(_take_over)

    async def forget_finished(self) -> None:
        """Delete old finished workflows; what came of them is in the delivery log."""
        if self._is_on:
            await self._in_thread(_forget_finished)

    async def _in_thread(self, work: Callable[P, None], *args: P.args, **_: P.kwargs) -> None:
        """One after the other: a stop waits for the start that it follows."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, partial(work, *args))
        except (SQLAlchemyError, dbos_error.DBOSException, OSError) as error:
            raise JobsError(type(error).__name__) from error


def jobs_url(database_url: str | None, data_dir: Path) -> str:
    """Where the jobs are kept: beside the SQLite file, or in the same Postgres."""
    if database_url is not None:
        url = make_url(database_url)
        if url.get_backend_name() in ("postgres", "postgresql"):
            return url.set(drivername="postgresql").render_as_string(hide_password=False)
    return f"sqlite:///{data_dir / 'jobs.db'}"


@DBOS.workflow(name=WORKFLOW)
async def _attempt_delivery(delivery_id: str, number: int) -> None:
    wait_s = await _try(delivery_id, number)
    if wait_s is not None:
        options = _options(delivery_id, number + 1)
        options["delay_seconds"] = wait_s
        await DBOS.enqueue_workflow_with_options_async(options, delivery_id, number + 1)


@DBOS.step(name="try")
async def _try(delivery_id: str, number: int) -> float | None:
    """On the server's loop; broken off there when it is broken off here."""
    assert _work is not None

    async def attempt(work: _Work) -> float | None:
        return await work.attempt(delivery_id, number)

    future = asyncio.run_coroutine_threadsafe(attempt(_work), _work.loop)
    return await asyncio.wrap_future(future)


def _options(delivery_id: str, number: int) -> EnqueueOptions:
    return {
        "workflow_name": WORKFLOW,
        "queue_name": QUEUE,
        "workflow_id": f"{delivery_id}.{number}",
    }


def _enqueue(attempts: Sequence[tuple[str, int]]) -> None:
    for delivery_id, number in attempts:
        DBOS.enqueue_workflow_with_options(_options(delivery_id, number), delivery_id, number)


def _launch(url: str, work: _Work) -> None:
    global _work
    _redirect_log()
    name = "local"
    if work.seat is not None and (name := work.seat.take()) is None:
        raise JobsError("there are too many servers on this database")
    config: DBOSConfig = {
        "name": "visavis",
        "system_database_url": url,
        "dbos_system_schema": POSTGRES_SCHEMA,
        "application_version": APP_VERSION,
        "executor_id": name,
        "serializer": DBOSPortableJSONSerializer(),  # no pickles in the database
        "use_listen_notify": False,
        "enable_otlp": False,
        "log_level": "ERROR",
        "max_executor_threads": AT_ONCE + 8,
        "sys_db_pool_size": 5,
    }
    _work = work
    try:
        DBOS(config=config)
        DBOS.launch()
        DBOS.register_queue(
            QUEUE,
            worker_concurrency=AT_ONCE,
            polling_interval_sec=POLL_S,
            on_conflict="always_update",
        )
    except BaseException:
        _stop()
        raise


def _stop() -> None:
    global _work
    logging.getLogger("dbos").setLevel(logging.CRITICAL)  # it warns of each task it breaks off
    DBOS.destroy()
    if _work is not None and _work.seat is not None:
        _work.seat.leave()
    _work = None


def _take_over() -> None:
    seat = _work.seat if _work is not None else None
    if seat is None:
        return
    if not seat.keep():
        log.error("jobs_seat_lost", seat=seat.name)
    left = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
    for name in {one.executor_id for one in left if one.executor_id} - {seat.name}:
        with seat.instead_of(name) as is_gone:
            if is_gone:
                log.warning("jobs_taken_over", seat=name)
                # What DBOS's own control plane would call; there is no other way.
                DBOS._recover_pending_workflows([name])  # pyright: ignore[reportPrivateUsage]


class _OurLog(logging.Handler):
    """DBOS's log among ours; its own handler would write to the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        log.error("jobs_failed", message=record.getMessage())


def _redirect_log() -> None:
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(_OurLog())
        logger.propagate = False


def _forget_finished() -> None:
    before = time.time() - KEEP_MS / 1000
    old = DBOS.list_workflows(
        status=["SUCCESS", "ERROR", "CANCELLED"],
        end_time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(before)),
        limit=FORGET_BATCH,
        load_input=False,
        load_output=False,
    )
    if old:
        DBOS.delete_workflows([one.workflow_id for one in old])
