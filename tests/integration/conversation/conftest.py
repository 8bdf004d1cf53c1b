"""A real model host, real speech, the real face; only the network between them is left out."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import httpx
import numpy as np
import pytest
from scipy.signal import resample_poly

from visavis import events as ev
from visavis.agents.demo import DEMO
from visavis.conversation.assets import Assets
from visavis.conversation.commands import Inbox
from visavis.conversation.session import converse
from visavis.conversation.spec import SessionSpec
from visavis.media import Pcm, now_us
from visavis.models import catalogue
from visavis.models.hibari import Hibari
from visavis.providers import resolve
from visavis.providers.base import Endpoint
from visavis.rooms.rtvi import RtviMessage
from visavis.testing import MemoryRoom

LLM = "smollm2-135m-instruct"
KEY = "key-of-the-test"


@dataclass(frozen=True)
class Host:
    endpoint: Endpoint
    process: subprocess.Popen[bytes]


def start_host() -> Host:
    """The model host, ready, with the smallest language model."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "visavis.models.host", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--api-key", KEY, "--llm", LLM],
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/healthz", timeout=5).json()["status"] == "ready":
                return Host(Endpoint(base_url=f"{url}/v1", api_key=KEY, model="default"), process)
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    process.kill()
    raise AssertionError("the model host did not come up")


@pytest.fixture(scope="package")
def host() -> Iterator[Host]:
    running = start_host()
    yield running
    running.process.kill()
    running.process.wait(10)


@pytest.fixture
def mortal_host() -> Iterator[Host]:
    """A host of its own, for tests that kill it."""
    running = start_host()
    yield running
    running.process.kill()
    running.process.wait(10)


@pytest.fixture(scope="package")
def assets() -> Assets:
    loaded = Assets.load()
    loaded.warm_up(DEMO.configuration.video)
    return loaded


@pytest.fixture(scope="package")
def say() -> Callable[[str], Pcm]:
    """Speech at 16 kHz."""
    voice = Hibari(catalogue.model_path(catalogue.HIBARI_HEART.name))

    def speak(text: str) -> Pcm:
        sound = np.concatenate([chunk.pcm for chunk in voice.speak(text)])
        return resample_poly(sound.astype(np.float32), 2, 3).astype(np.int16)

    return speak


@dataclass
class Call:
    """One user in one session, in real time."""

    assets: Assets
    room: MemoryRoom = field(default_factory=MemoryRoom)
    log: list[tuple[int, ev.SessionEvent]] = field(default_factory=list)
    inbox: Inbox = field(default_factory=Inbox)

    def start(self, host: Host) -> None:
        spec = SessionSpec(
            session_id="s",
            agent_id=DEMO.id,
            agent_name=DEMO.name,
            agent=DEMO.configuration,
            stt=host.endpoint,
            llm=host.endpoint,
            tts=host.endpoint,
        )
        self.room.tell(RtviMessage("client-ready", {"version": "2.0.0", "about": {}}))
        self.microphone = asyncio.create_task(self.room.run_microphone())
        self.task = asyncio.create_task(
            converse(spec, self.room, self.emit, self.assets, self.inbox)
        )

    def emit(self, event: ev.SessionEvent) -> None:
        self.log.append((now_us(), event))

    def all(self, kind: type) -> list:
        return [event for _, event in self.log if isinstance(event, kind)]

    async def turns(self, count: int) -> None:
        """Wait for the ``count``-th turn's end."""
        done = lambda: len(self.all(ev.TurnCompleted)) >= count or self.task.done()  # noqa: E731
        await self.room.until(done, 40)
        assert len(self.all(ev.TurnCompleted)) >= count

    async def end(self) -> ev.EndReason:
        async with asyncio.timeout(20):
            return await self.task


@pytest.fixture
async def call(assets: Assets) -> AsyncIterator[Call]:
    call = Call(assets)
    yield call
    for task in (call.task, call.microphone):
        task.cancel()
    await asyncio.wait([call.task, call.microphone])
    await resolve.aclose()
