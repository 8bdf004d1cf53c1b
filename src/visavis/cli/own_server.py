"""A server of our own for the length of a demo or a benchmark."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.console import Console

_READY_S = 180.0
_STOP_S = 20.0
_POLL_S = 0.25
_USUAL_PORT = 7860
_LOG_LINES = 12


class ServerFailed(Exception):
    """The server did not start; the message has the end of its log."""


@contextmanager
def own_server(console: "Console", log: Path, *, data_dir: Path) -> Generator[str]:
    """Run ``visavis serve`` until left; yield its URL once it takes sessions.

    Raises:
        ServerFailed: it stopped, or was not ready within three minutes.
    """
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "visavis", "serve", "--port", str(port)]
    environment = os.environ | {"VISAVIS_DATA_DIR": str(data_dir)}
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            _wait_ready(console, server, url, log)
            yield url
        finally:
            _stop(server)


def _wait_ready(console: "Console", server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    start = time.monotonic()
    with console.status("Starting the server") as status:
        while time.monotonic() - start < _READY_S:
            if server.poll() is not None:
                raise ServerFailed(f"The server stopped:\n{_tail(log)}")
            state = _readiness(url)
            if state.get("ready"):
                console.print(f"Server ready at {url} after {time.monotonic() - start:.0f} s")
                return
            parts = cast("dict[str, bool]", state.get("parts") or {})
            waiting = [name for name, ready in parts.items() if not ready]
            status.update(f"Loading {' and '.join(waiting) or 'the server'}")
            time.sleep(_POLL_S)  # a poll of another process, bounded by _READY_S
    raise ServerFailed(f"The server was not ready within {_READY_S:.0f} s:\n{_tail(log)}")


def _readiness(url: str) -> dict[str, Any]:
    import httpx

    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return {}


def _free_port() -> int:
    """The usual port, or any other where that is taken."""
    for port in (_USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise ServerFailed("There is no free port on 127.0.0.1.")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
