"""A real server in a process of its own, as ``visavis serve`` starts it."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

READY_S = 120


@dataclass(frozen=True)
class House:
    """A running server, its address and its process."""

    url: str
    process: subprocess.Popen[bytes]

    def call(self, path: str, body: object = None, method: str = "POST") -> tuple[int, dict]:
        """JSON over HTTP from this machine: status and body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.load(refusal)

    def session(self, session_id: str) -> dict:
        return self.call(f"/v1/session/{session_id}", method="GET")[1]

    def wait_until(self, true: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(0.1)

    def wait_ready(self) -> None:
        self.wait_until(self._is_ready, READY_S, "the server is ready")

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return self.call("/readyz", method="GET")[0] == 200
        return False


@contextlib.contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """A server with one worker for two sessions; its files are in ``folder``."""
    port = _free_port()
    settings = {
        "VISAVIS_PORT": str(port),
        "VISAVIS_DATA_DIR": str(folder),
        "VISAVIS_WORKERS": "1",
        "VISAVIS_SESSIONS_PER_WORKER": "2",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "visavis", "serve"],
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
        )
    house = House(f"http://127.0.0.1:{port}", process)
    try:
        house.wait_ready()
        yield house
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            print((folder / "log").read_text()[-4000:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
