"""``visavis serve`` as its user runs it: plain words when it cannot, a clean end when it must."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from pathlib import Path

import httpx
import pytest

ELSEWHERE = {f"VISAVIS_{part}_BASE_URL": "http://127.0.0.1:9/v1" for part in ("STT", "LLM", "TTS")}


async def serve(data: Path, port: int, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "visavis", "serve", "--port", str(port), "--workers", "1"),
        env={**os.environ, "VISAVIS_DATA_DIR": str(data), **environment},
        stderr=asyncio.subprocess.PIPE,
    )


async def output(process: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(30):
        _, said = await process.communicate()
    return said.decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def until_gone(pids: list[int]) -> None:
    async with asyncio.timeout(15):
        while True:
            if not any(map(lives, pids)):
                return
            await asyncio.sleep(0.05)


async def until_ready(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        async with asyncio.timeout(90):
            while True:
                try:
                    if (await http.get("/readyz")).is_success:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)


async def test_models_that_cannot_be_had_are_said_in_plain_words(tmp_path):
    nowhere = {"VISAVIS_MODELS_DIR": str(tmp_path), "PIP_NO_INDEX": "1"}
    process = await serve(tmp_path, free_port(), **nowhere)
    said = await output(process)
    assert process.returncode == 1
    assert "bringing silero-vad" in said
    assert "Traceback" not in said


@pytest.mark.models
async def test_a_taken_port_is_said_in_plain_words(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        process = await serve(tmp_path, other.getsockname()[1])
        said = await output(process)
    assert process.returncode == 1
    assert "address already in use" in said
    assert "Traceback" not in said


@pytest.mark.models
async def test_sigterm_ends_sessions_and_leaves_nothing_behind(tmp_path):
    port = free_port()
    process = await serve(tmp_path, port, **ELSEWHERE)
    await until_ready(port)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        started = (await http.post("/v1/start-agent-session", json={"agentId": "demo"})).json()
    family = children(process.pid)
    assert family
    process.send_signal(signal.SIGTERM)
    said = await output(process)
    assert process.returncode == 0, said
    await until_gone(family)
    with sqlite3.connect(tmp_path / "visavis.db") as database:
        ended = database.execute("select id, end_reason from sessions").fetchall()
    assert ended == [(started["sessionId"], "server_stopped")]
    assert started["dailyToken"] not in said
    for line in said.splitlines():
        if line.startswith("{"):
            json.loads(line)


@pytest.mark.models
async def test_a_killed_server_takes_its_children_along_and_the_next_one_closes_its_books(tmp_path):
    port = free_port()
    process = await serve(tmp_path, port, **ELSEWHERE)
    await until_ready(port)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        started = (await http.post("/v1/start-agent-session", json={"agentId": "demo"})).json()
        url = f"/v1/session/{started['sessionId']}"
        assert (await http.get(url)).json()["state"] == "provisioning"
    family = children(process.pid)
    process.kill()
    await process.wait()
    await until_gone(family)
    process = await serve(tmp_path, port, **ELSEWHERE)
    await until_ready(port)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        record = (await http.get(url)).json()
    process.send_signal(signal.SIGTERM)
    await output(process)
    assert record["end_reason"] == "server_stopped"
    assert record["figures"]["turns"] == 0
    assert list(record["states"]) == ["request", "provisioning", "analytics", "ended"]
