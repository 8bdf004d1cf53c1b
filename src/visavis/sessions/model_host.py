"""The server's side of the model host: started, watched, and started again when it dies."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Literal

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from visavis.agents.schema import Agent
from visavis.providers.base import Endpoint
from visavis.sessions.endpoints import Endpoints, needs_host, resolve
from visavis.settings import Settings

HOST_MODULE = "visavis.models.host"
NICE = 5
"""Behind the workers: a late token is a pause, a late audio tick is a click. On an idle core it
costs the models nothing."""
POLL_S = 0.5
STOP_S = 5.0
FIRST_BACKOFF_S = 0.5
LAST_BACKOFF_S = 30.0

log = structlog.stdlib.get_logger("visavis.model_host")


class ModelHealth(BaseModel):
    name: str
    state: Literal["waiting", "loading", "ready", "failed"]
    seconds: float | None = None
    message: str | None = None


class HostHealth(BaseModel):
    """What the host's ``/healthz`` says."""

    status: Literal["loading", "ready", "failed"]
    models: list[ModelHealth] = []


class ModelHostError(Exception):
    """The model host cannot start; the message says why, in words for the terminal."""


class ModelHost:
    """``async with ModelHost(settings)``; does nothing when all models are somewhere else."""

    def __init__(self, settings: Settings, *, module: str = HOST_MODULE) -> None:
        self._settings = settings
        self._module = module
        self._needed = needs_host(settings)
        self._port = _free_port()
        self._key = secrets.token_urlsafe(24)
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._died = asyncio.Event()
        self._ready = not self._needed

    async def __aenter__(self) -> "ModelHost":
        if self._needed:
            self._supervisor = asyncio.create_task(self._supervise(), name="model-host")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    @property
    def ready(self) -> bool:
        """Whether every embedded model that is needed has been loaded."""
        return self._ready

    @property
    def pid(self) -> int | None:
        """The running host's process id."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def endpoints(self, agent: Agent) -> Endpoints:
        """Who hears, thinks and speaks for ``agent``."""
        host = Endpoint(
            base_url=f"http://127.0.0.1:{self._port}/v1",
            api_key=self._key,
            model="default",
            embedded=True,
        )
        return resolve(agent.configuration, self._settings, host if self._needed else None)

    async def wait_ready(self, progress: Callable[[HostHealth], None]) -> None:
        """Return when all models are loaded. Raises ``ModelHostError`` if the host gives up."""
        async with httpx.AsyncClient(timeout=2) as client:
            while True:
                if self._died.is_set():
                    raise ModelHostError("The model host stopped while it was loading.")
                health = await self._health(client)
                if health is not None:
                    progress(health)
                    self._judge(health)
                if self.ready:
                    return
                await asyncio.sleep(POLL_S)

    def _judge(self, health: HostHealth) -> None:
        failed = [model for model in health.models if model.state == "failed"]
        if failed:
            reasons = "; ".join(f"{model.name}: {model.message}" for model in failed)
            raise ModelHostError(reasons)
        self._ready = health.status == "ready"

    async def _health(self, client: httpx.AsyncClient) -> HostHealth | None:
        try:
            answer = await client.get(f"http://127.0.0.1:{self._port}/healthz")
            return HostHealth.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError):
            return None

    async def _supervise(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            was_ready = await self._run_once()
            self._died.set()
            backoff_s = FIRST_BACKOFF_S if was_ready else min(backoff_s * 2, LAST_BACKOFF_S)
            log.error("model_host_died", restart_after_s=backoff_s)
            await asyncio.sleep(backoff_s)

    async def _run_once(self) -> bool:
        """One life of the host; whether it ever was ready."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "visavis.sessions.leash", "--nice", str(NICE), self._module),
            *("--port", str(self._port)),
            env={**os.environ, "VISAVIS_HOST_API_KEY": self._key},
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self._process = process
        watch = asyncio.create_task(self._watch())
        try:
            await process.wait()
            return self.ready
        finally:
            self._ready = False
            watch.cancel()
            await _end(process)

    async def _watch(self) -> None:
        """Keep ``ready`` true to life after the first start."""
        async with httpx.AsyncClient(timeout=2) as client:
            while True:
                health = await self._health(client)
                if health is not None:
                    self._ready = health.status == "ready"
                await asyncio.sleep(POLL_S if not self.ready else 5.0)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop a child and its group: asked first, then killed; always reaped."""
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
