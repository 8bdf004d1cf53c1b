"""The process tree: server, model host and workers, started in order and ended together."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Protocol

import structlog
import uvicorn

from visavis.events import EndReason
from visavis.jobs.deliveries import Deliveries
from visavis.jobs.outbox import Outbox
from visavis.jobs.retention import Retention
from visavis.jobs.runtime import jobs_url
from visavis.jobs.schedule import Schedule
from visavis.jobs.signing import Secrets
from visavis.net.allow import AllowError
from visavis.net.client import GuardedClient
from visavis.server.app import create_app
from visavis.server.audit_log import AuditLog
from visavis.server.connections import Connection
from visavis.server.key_ring import KeyRing
from visavis.server.metrics import Metrics
from visavis.server.rates import MovingWindow, Rates
from visavis.server.services import Readiness, Services
from visavis.server.upkeep import keeping_up
from visavis.sessions.bells import Bells
from visavis.sessions.deletion import Deletion
from visavis.sessions.journal import Journal
from visavis.sessions.lifecycle import Sessions
from visavis.sessions.live import Models
from visavis.sessions.local import LocalPlacement
from visavis.sessions.model_host import HostHealth, ModelHost
from visavis.sessions.observer import Observer
from visavis.sessions.placement import Placement
from visavis.sessions.recordings import Recordings
from visavis.sessions.tokens import RoomTokens, load_secret
from visavis.settings import Settings
from visavis.storage.blobs import Blobs, BlobsError
from visavis.storage.database import Database, sqlite_url
from visavis.storage.vault import Vault

END_ALL_S = 8.0

log = structlog.stdlib.get_logger("visavis.server")


class StartError(Exception):
    """The server cannot start; the message says why, in words for the terminal."""


class Watcher(Protocol):
    """Is told how the start goes."""

    def loading(self, health: HostHealth) -> None: ...

    def ready(self) -> None: ...


class ReadyPlacement(Placement, Readiness, Protocol):
    """A placement that also tells the app whether it is ready."""


class ReadyModels(Models, Readiness, Protocol):
    """Models that also tell the app whether they are ready."""


class _Uvicorn(uvicorn.Server):
    """Signals are ours: sessions have to end before the sockets close."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve(settings: Settings, watcher: Watcher) -> None:
    """Serve until SIGTERM or SIGINT. Raises ``StartError``, ``ModelHostError``, …

    The port answers at once (``/healthz``); sessions start when ``/readyz`` says so.
    """
    stop = _stop_on_signal()
    listener = listen(settings.host, settings.port)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listener.close)
        host = await stack.enter_async_context(ModelHost(settings))
        placement = await stack.enter_async_context(
            LocalPlacement(settings.workers, settings.sessions_per_worker)
        )
        services = await stack.enter_async_context(open_services(settings, placement, host))
        await stack.enter_async_context(serving(services, listener))
        failure = await _start(host, placement, watcher, stop)
        if failure is None:
            await stop.wait()
    if failure is not None:
        raise failure


async def _start(
    host: ModelHost, placement: LocalPlacement, watcher: Watcher, stop: asyncio.Event
) -> BaseException | None:
    """Wait until all is ready, something failed for good, or it is time to stop."""
    up = asyncio.gather(placement.wait_ready(), host.wait_ready(watcher.loading))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({up, stopped}, return_when=asyncio.FIRST_COMPLETED)
    failure = up.exception() if up.done() else None
    if failure is None and up.done():
        watcher.ready()
    up.cancel()
    stopped.cancel()
    await asyncio.gather(up, stopped, return_exceptions=True)
    return failure


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


@asynccontextmanager
async def serving(services: Services, listener: socket.socket) -> AsyncGenerator[None]:
    """Answer HTTP on ``listener``; open requests get a moment at the end."""
    config = uvicorn.Config(
        create_app(services),
        http=Connection,
        ws="none",
        proxy_headers=False,  # whom to believe is for server/access.py to say
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = _Uvicorn(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        yield
    finally:
        services.bells.close()  # who reads live is told the end now
        server.should_exit = True
        await task


def _tracing(settings: Settings) -> list[AbstractAsyncContextManager[Observer]]:
    """Traces, where an endpoint is set; OpenTelemetry is loaded for nobody else."""
    if settings.otel_endpoint is None:
        return []
    from visavis.server.tracing import Tracing

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


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ``StartError`` where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise StartError(f"Cannot listen on {host}:{port}: {reason.lower()}.") from error
    listener.setblocking(False)
    return listener


def _stop_on_signal() -> asyncio.Event:
    """Set by the first signal. Who sends a second one does not want to wait: we exit at once."""
    stop = asyncio.Event()

    def obey(number: signal.Signals) -> None:
        if stop.is_set():
            log.warning("forced_exit", signal=number.name)
            os._exit(128 + number)  # workers and model host are on a leash, and follow
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, obey, number)
    return stop
