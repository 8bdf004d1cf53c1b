"""One real model host for all tests here, with the smallest language model."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
from scipy.signal import resample_poly

from visavis.media import AudioChunk, Pcm
from visavis.providers.base import Endpoint

KEY = "key-of-the-test"
LLM = "smollm2-135m-instruct"


@dataclass(frozen=True)
class RunningHost:
    url: str
    process: subprocess.Popen[bytes]

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(base_url=f"{self.url}/v1", api_key=KEY, model="default")

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_host(llm: str = LLM, **environment: str) -> RunningHost:
    port = free_port()
    command = [sys.executable, "-m", "visavis.models.host", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--api-key", KEY, "--llm", llm], env={**os.environ, **environment}
    )
    return RunningHost(f"http://127.0.0.1:{port}", process)


def await_health(host: RunningHost, *, until: tuple[str, ...] = ("ready", "failed")) -> dict:
    """The host's health as soon as its status is one of ``until``."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert host.process.poll() is None, "the host ended"
        try:
            health = httpx.get(f"{host.url}/healthz", timeout=5).json()
        except httpx.TransportError:
            health = {"status": "starting"}
        if health["status"] in until:
            return health
        time.sleep(0.1)
    raise AssertionError(f"the host is still {health}")


@pytest.fixture(scope="package")
def host() -> Iterator[RunningHost]:
    running = start_host()
    try:
        health = await_health(running)
        assert health["status"] == "ready", health
        yield running
    finally:
        running.process.kill()
        running.process.wait(10)


def at_16_khz(pcm: Pcm, rate: int) -> Pcm:
    """Speech as a microphone would give it: 16 kHz, with a moment of silence after it."""
    common = int(np.gcd(rate, 16_000))
    sound = resample_poly(pcm.astype(np.float32), 16_000 // common, rate // common)
    return np.concatenate([sound, np.zeros(3200)]).astype(np.int16)


def in_ticks(pcm: Pcm) -> list[AudioChunk]:
    return [AudioChunk(pcm[at : at + 320], at) for at in range(0, len(pcm) - 319, 320)]
