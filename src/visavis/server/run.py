"""The process tree: server, model host and workers, started in order and ended together."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import structlog
import uvicorn

from visavis.server.app import create_app
from visavis.server.gate.connections import Connection
from visavis.server.opening import StartError, open_services
from visavis.server.services import Services
from visavis.sessions.local import LocalPlacement
from visavis.sessions.model_host import HostHealth, ModelHost
from visavis.settings import Settings

log = structlog.stdlib.get_logger("visavis.server")


class Watcher(Protocol):
    """Is told how the start goes."""

    def loading(self, health: HostHealth) -> None: ...

    def ready(self) -> None: ...


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
async def serving(services: Services, listener: socket.socket) -> AsyncGenerator[None]:
    """Answer HTTP on ``listener``; open requests get a moment at the end."""
    config = uvicorn.Config(
        create_app(services),
        http=Connection,
        ws="websockets-sansio",
        ws_max_size=4 * 1024 * 1024,  # more than a message may have, so that it gets an answer
        ws_per_message_deflate=False,
        proxy_headers=False,  # whom to believe is for server/gate/access.py to say
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
