"""Opens everything that the server works with, each on what it needs, and closes it in reverse."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from visavis.events import EndReason
from visavis.jobs.deliveries import Deliveries
from visavis.jobs.outbox import Outbox
from visavis.jobs.retention import Retention
from visavis.jobs.runtime import jobs_url
from visavis.jobs.schedule import Schedule
from visavis.jobs.signing import Secrets
from visavis.net.allow import AllowError
from visavis.net.client import GuardedClient
from visavis.server.gate.audit_log import AuditLog
from visavis.server.gate.key_ring import KeyRing
from visavis.server.gate.rates import MovingWindow, Rates
from visavis.server.services import Readiness, Services
from visavis.server.telemetry.metrics import Metrics
from visavis.server.upkeep import keeping_up
from visavis.sessions.avatars import Avatars
from visavis.sessions.backdrops import Backdrops
from visavis.sessions.bells import Bells
from visavis.sessions.deletion import Deletion
from visavis.sessions.journal import Journal
from visavis.sessions.lifecycle import Sessions
from visavis.sessions.live import Models
from visavis.sessions.observer import Observer
from visavis.sessions.placement import Placement
from visavis.sessions.recordings import Recordings
from visavis.sessions.tokens import RoomTokens, load_secret
from visavis.settings import Settings
from visavis.storage.blobs import Blobs, BlobsError
from visavis.storage.database import Database, sqlite_url
from visavis.storage.vault import Vault

END_ALL_S = 8.0
"""How long sessions may take to end with the server."""


class StartError(Exception):
    """The server cannot start; the message says why, in words for the terminal."""


class ReadyPlacement(Placement, Readiness, Protocol):
    """A placement that also tells the app whether it is ready."""


class ReadyModels(Models, Readiness, Protocol):
    """Models that also tell the app whether they are ready."""


@asynccontextmanager
async def open_services(
    settings: Settings,
    placement: ReadyPlacement,
    host: ReadyModels,
    *,
    redelivery: Schedule | None = None,
) -> AsyncGenerator[Services]:
    """Database, journal and sessions; on exit all sessions end and everything is written.

    ``redelivery``: when webhooks are tried again, if not as usual.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    secret = load_secret(settings.data_dir / "secret")
    blobs, rates = _blobs(settings), _rates(settings)  # outside of task groups, which wrap errors
    database = Database(settings.database_url or sqlite_url(settings.data_dir / "visavis.db"))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        await database.migrate()
        http = await stack.enter_async_context(_outgoing(settings))
        vault, callback_secret = Vault(secret), Secrets.for_callbacks(secret)
        deliveries = await stack.enter_async_context(
            Deliveries(
                database,
                http,
                vault,
                callback_secret,
                jobs_url(settings.database_url, settings.data_dir),
                redelivery,
            ).running()
        )
        outbox = Outbox(deliveries.wake, _base_url(settings))
        metrics = Metrics()
        recordings = await stack.enter_async_context(
            Recordings(settings.data_dir, database, blobs, outbox).running()
        )
        retention = Retention(database, settings.retention_days)
        bells = Bells()
        observers: list[Observer] = [bells, metrics, recordings, retention, outbox]
        observers += [await stack.enter_async_context(each) for each in _tracing(settings)]
        journal = await stack.enter_async_context(Journal(database, observers).running())
        sessions = Sessions(settings, database, journal, placement, host)
        await stack.enter_async_context(sessions.running())
        deletion = Deletion(database, sessions, recordings)
        await stack.enter_async_context(
            retention.sweeping(lambda session_id: deletion.delete(session_id, "server"))
        )
        keys = await stack.enter_async_context(KeyRing(database).running())
        await stack.enter_async_context(keeping_up(database))
        yield Services(
            settings=settings,
            sessions=sessions,
            database=database,
            tokens=RoomTokens(secret),
            vault=vault,
            callback_secret=callback_secret,
            outbox=outbox,
            http=http,
            blobs=blobs,
            recordings=recordings,
            avatars=Avatars(settings.data_dir, database, blobs, host),
            backdrops=Backdrops(settings.data_dir, http),
            deletion=deletion,
            keys=keys,
            rates=rates,
            audit=AuditLog(database),
            metrics=metrics,
            bells=bells,
            parts={"workers": placement, "models": host},
        )
        with contextlib.suppress(TimeoutError):  # the workers' own end follows
            async with asyncio.timeout(END_ALL_S):
                await sessions.end_all(EndReason.SERVER_STOPPED)


def _tracing(settings: Settings) -> list[AbstractAsyncContextManager[Observer]]:
    """Traces, where an endpoint is set; OpenTelemetry is loaded for nobody else."""
    if settings.otel_endpoint is None:
        return []
    from visavis.server.telemetry.tracing import Tracing

    return [Tracing(settings.otel_endpoint, content=settings.otel_content).running()]


def _rates(settings: Settings) -> Rates:
    try:
        return Rates(
            api=MovingWindow("api", settings.api_rate),
            start=MovingWindow("start", settings.start_rate),
        )
    except ValueError as error:
        raise StartError(f"VISAVIS_API_RATE or VISAVIS_START_RATE: {error}") from None


def _blobs(settings: Settings) -> Blobs:
    try:
        if settings.blobs_url:
            return Blobs(settings.blobs_url)
        folder = settings.data_dir.resolve() / "blobs"
        folder.mkdir(mode=0o700, exist_ok=True)
        return Blobs(str(folder))
    except BlobsError as error:
        raise StartError(str(error)) from None


def _outgoing(settings: Settings) -> GuardedClient:
    try:
        return GuardedClient(settings.outgoing_allow)
    except AllowError as error:
        raise StartError(f"VISAVIS_OUTGOING_ALLOW: {error}.") from None


def _base_url(settings: Settings) -> str:
    """How receivers of webhooks may reach us, as far as we know."""
    return settings.public_url or f"http://{settings.host}:{settings.port}"
