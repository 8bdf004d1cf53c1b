"""The model host is started, watched, restarted and reaped."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from visavis.agents.demo import DEMO
from visavis.sessions.model_host import ModelHost, ModelHostError
from visavis.settings import Settings

ELSEWHERE = {
    "stt_base_url": "http://a.example/v1",
    "llm_base_url": "http://b.example/v1",
    "tts_base_url": "http://c.example/v1",
}


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("SCRIPTED_HOST", "ready")


def host(**changes: object) -> ModelHost:
    return ModelHost(Settings(_env_file=None, **changes), module="scripted_host")


async def until(wanted) -> None:
    async with asyncio.timeout(20):
        while True:
            if wanted():
                return
            await asyncio.sleep(0.05)


async def test_a_dead_host_is_replaced_at_the_same_address():
    seen = []
    async with host() as models:
        await models.wait_ready(seen.append)
        assert seen[-1].models[0].name == "llm"
        endpoint = models.endpoints(DEMO).llm
        first = models.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: not models.ready)
        await until(lambda: models.ready)
        assert models.pid != first
        assert models.endpoints(DEMO).llm == endpoint
        second = models.pid
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


async def test_a_model_that_cannot_load_is_named(monkeypatch):
    monkeypatch.setenv("SCRIPTED_HOST", "failed")
    async with host() as models:
        with pytest.raises(ModelHostError, match="llm: the file is damaged"):
            await models.wait_ready(lambda health: None)


async def test_no_host_runs_when_all_models_are_elsewhere():
    async with host(**ELSEWHERE) as models:
        await models.wait_ready(lambda health: None)
        assert models.ready
        assert models.pid is None
        assert models.endpoints(DEMO).stt.base_url == "http://a.example/v1"
