"""Who asks a second time does not want to wait."""

import asyncio
import signal

import pytest

from tests.integration.control_plane.test_serve import (
    ELSEWHERE,
    children,
    free_port,
    output,
    serve,
    until_gone,
    until_ready,
)


@pytest.mark.models
async def test_a_second_sigterm_forces_the_exit(tmp_path):
    port = free_port()
    process = await serve(tmp_path, port, **ELSEWHERE)
    await until_ready(port)
    family = children(process.pid)
    _, slow = await asyncio.open_connection("127.0.0.1", port)
    slow.write(
        b"POST /v1/start-agent-session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    )
    await slow.drain()  # the server waits for the rest, also when it is about to stop
    await asyncio.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.5)
    assert process.returncode is None
    process.send_signal(signal.SIGTERM)
    said = await output(process)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "forced_exit" in said
    await until_gone(family)
    slow.close()
