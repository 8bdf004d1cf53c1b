"""Schemathesis over the whole API of a real server with scripted conversations."""

import asyncio
import json
import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.integration.control_plane.conftest import HERE as SCRIPTS
from tests.integration.whole_server import NoModels
from visavis.server.opening import open_services
from visavis.server.run import listen, serving
from visavis.sessions.local import LocalPlacement
from visavis.settings import Settings
from visavis.storage import keys

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Target:
    """A running server and a key that may do everything."""

    url: str
    key: str
    live: dict[str, str]
    """A session in which a scripted user sits: its ``session_id`` and ``pc_id``."""


@asynccontextmanager
async def target(data_dir: Path, database_url: str | None) -> AsyncIterator[Target]:
    """A server that asks for keys, with seats for as many sessions as will be started."""
    settings = Settings(
        _env_file=None,
        data_dir=data_dir,
        database_url=database_url,
        workers=1,
        sessions_per_worker=2000,
        join_seconds=5,
        require_key=True,
        api_rate="1000000/second",
        start_rate="1000000/second",
    )
    placement = LocalPlacement(
        settings.workers,
        settings.sessions_per_worker,
        module="scripted_worker",
        environment={"PYTHONPATH": str(SCRIPTS)},
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(placement)
        services = await stack.enter_async_context(open_services(settings, placement, NoModels()))
        listener = listen("127.0.0.1", 0)
        await stack.enter_async_context(serving(services, listener))
        async with asyncio.timeout(60):
            await placement.wait_ready()
        async with services.database.write() as session:
            _, key = keys.create(session, "fuzzer", ["*"], None)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield Target(url, key, await _live_session(url))


async def _live_session(url: str) -> dict[str, str]:
    async with httpx.AsyncClient(base_url=url) as http:
        started = (await http.post("/v1/start-agent-session", json={"agentId": "demo"})).json()
        answer = await http.post(
            f"/rooms/{started['sessionId']}/api/offer",
            json={"sdp": "v=0 obey", "type": "offer"},
            headers={"Authorization": f"Bearer {started['dailyToken']}"},
        )
        assert answer.status_code == 200, answer.text
    return {"session_id": started["sessionId"], "pc_id": answer.json()["pc_id"]}


async def answered(target: Target) -> Counter[int]:
    """How often the server gave which status, as it counts itself for Prometheus."""
    headers = {"Authorization": f"Bearer {target.key}"}
    async with httpx.AsyncClient(base_url=target.url, headers=headers) as http:
        page = (await http.get("/metrics")).text
    counts: Counter[int] = Counter()
    counted = r'^visavis_http_request_seconds_count\{.*status="(\d+)"\} (\S+)$'
    for status, count in re.findall(counted, page, re.MULTILINE):
        counts[int(status)] += int(float(count))
    return counts


@dataclass(frozen=True)
class Outcome:
    status: int
    """0: nothing was found; 1: something was; else it could not run."""
    output: str
    """What schemathesis said, for people."""
    report: dict[str, Any]
    """The same for programs, as its JSON report has it; empty if it could not run."""

    @property
    def cases(self) -> int:
        """How many requests were made up."""
        return self.report.get("test_cases", {}).get("generated", 0)

    @property
    def operations(self) -> int:
        """How many operations were tested."""
        return self.report.get("operations", {}).get("tested", 0)


async def fuzz(
    target: Target,
    folder: Path,
    *,
    examples: int,
    seconds: int,
    phases: str = "examples,coverage,fuzzing,stateful",
) -> Outcome:
    """Run schemathesis in a process of its own, as its users do."""
    report = folder / "report.json"
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "--no-color",
        "run",
        f"{target.url}/openapi.json",
        "--header",
        f"Authorization: Bearer {target.key}",
        "--phases",
        phases,
        "--max-examples",
        str(examples),
        "--seed",
        "20261123",
        "--report",
        "json",
        "--report-json-path",
        str(report),
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(HERE),
            "VISAVIS_LIVE_SESSION": json.dumps(target.live),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    written = report.read_text() if report.exists() else ""
    return Outcome(
        process.returncode or 0, output.decode(errors="replace"), json.loads(written or "{}")
    )
