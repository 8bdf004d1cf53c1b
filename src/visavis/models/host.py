"""The model host: one process that holds the embedded models, loaded once, behind HTTP.

``python -m visavis.models.host --port N --api-key K [--llm NAME] [--stt NAME]``; the key may also
come as ``VISAVIS_HOST_API_KEY``.
"""

import argparse
import asyncio
import os
import secrets
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn
from fastapi import Depends, FastAPI, Request

from visavis.models import api_audio, api_chat, api_errors
from visavis.models.api_errors import ApiError
from visavis.models.catalogue import HIBARI_HEART, QWEN_05B, WHISPER_TINY_EN, model_path
from visavis.models.hibari import Hibari
from visavis.models.hosted import Hosted
from visavis.models.llama import Llama
from visavis.models.whisper import Whisper
from visavis.settings import settings

OWNER = "visavis"
"""``owned_by`` in ``/v1/models``: how a client tells this host from another server."""


@dataclass(frozen=True, slots=True)
class Host:
    """The three models."""

    stt: Hosted[Whisper]
    llm: Hosted[Llama]
    tts: Hosted[Hibari]
    slots: int
    """Conversations whose prompts stay in the language model's cache."""

    @classmethod
    def of(cls, stt: str, llm: str) -> "Host":
        """The host for these catalogue names; nothing is loaded yet."""
        config = settings()
        # One that may come before another has gone, and one for the question which tool to call.
        slots = config.workers * config.sessions_per_worker + 2
        return cls(
            stt=Hosted(stt, lambda: Whisper(model_path(stt))),
            llm=Hosted(llm, lambda: _load_llama(llm, config.llm_threads, slots)),
            tts=Hosted(HIBARI_HEART.name, lambda: Hibari(model_path(HIBARI_HEART.name))),
            slots=slots,
        )

    @property
    def models(self) -> tuple[Hosted[Any], ...]:
        return (self.stt, self.llm, self.tts)

    async def load(self) -> None:
        """Bring all of them up at the same time."""
        async with asyncio.TaskGroup() as tasks:
            for model in self.models:
                tasks.create_task(asyncio.to_thread(model.bring_up))

    def health(self) -> dict[str, object]:
        states = {model.state for model in self.models}
        status = next((s for s in ("failed", "loading") if s in states), "ready")
        rows = [
            {"name": m.name, "state": m.state, "seconds": m.seconds, "message": m.message}
            for m in self.models
        ]
        return {"status": status, "models": rows}


def _load_llama(name: str, threads: int, slots: int) -> Llama:
    gguf = next(model_path(name).glob("*.gguf"))
    return Llama(gguf, threads=threads, slots=slots)


def create_app(host: Host, api_key: str) -> FastAPI:
    """The HTTP face of ``host``; the models start to load with the application."""
    app = FastAPI(title="visavis model host", lifespan=_lifespan(host), openapi_url=None)
    api_errors.install(app)
    keyed = [Depends(_key_check(api_key))]
    app.include_router(api_audio.router(host.stt, host.tts), dependencies=keyed)
    app.include_router(api_chat.router(host.llm, host.slots), dependencies=keyed)

    @app.get("/healthz")
    async def _() -> dict[str, object]:
        return host.health()

    @app.get("/v1/models", dependencies=keyed)
    async def _() -> dict[str, object]:
        rows = [
            {"id": model.name, "object": "model", "created": 0, "owned_by": OWNER}
            for model in host.models
        ]
        return {"object": "list", "data": rows}

    return app


def _lifespan(host: Host) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(host.load()),
                tasks.create_task(_leave_with_parent()),
            ]
            yield
            for task in background:
                task.cancel()

    return lifespan


def _key_check(api_key: str) -> Callable[[Request], None]:
    def check(request: Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        right = secrets.compare_digest(given.encode(), api_key.encode())
        if scheme.lower() != "bearer" or not right:
            raise ApiError(401, "invalid_api_key", "A valid API key is required.")

    return check


async def _leave_with_parent() -> None:
    """End this process when whoever started it is gone, so that no orphan keeps the memory."""
    parent = os.getppid()
    while True:
        await asyncio.sleep(1)
        if os.getppid() != parent:
            os._exit(0)


def _exit_now(signum: int, frame: FrameType | None) -> None:
    """Leave without waiting for native threads: they hold nothing that must be saved."""
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m visavis.models.host", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    key = os.environ.get("VISAVIS_HOST_API_KEY")  # unlike arguments, other users cannot see it
    parser.add_argument("--api-key", default=key, required=key is None)
    parser.add_argument("--llm", default=QWEN_05B.name)
    parser.add_argument("--stt", default=WHISPER_TINY_EN.name)
    arguments = parser.parse_args()
    # llama.cpp's threads meet at a barrier many times per token. Spinning there for long, as OpenMP
    # does by default, starves everything else on a busy machine and the model too; not spinning at
    # all halves the speed of an idle one. Measured with two threads, ms per token, alone and beside
    # two busy processes: spinning 25 and 119, sleeping 46 and 85, this 24 and 54. Read when the
    # runtime is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_now)  # uvicorn shuts down first, then lets this one run
    app = create_app(Host.of(arguments.stt, arguments.llm), arguments.api_key)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=arguments.port,
        log_level="warning",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )
    os._exit(0)


if __name__ == "__main__":
    main()
