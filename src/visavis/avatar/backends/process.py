"""The process of a face: started when first needed, started again when it died, ended with us."""

import asyncio
import contextlib
import json
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import structlog

from visavis.avatar.backends.base import BackendError

_POLL_S = 0.05
_ATTEMPTS = 20
"""A socket can be there a moment before anyone listens."""
_STOP_S = 2.0
_READ_LIMIT = 4 * 1024 * 1024

log = structlog.stdlib.get_logger("visavis.avatar")


class FaceProcess:
    """``command`` is started with ``--socket PATH``; with ``socket``, someone else runs it."""

    def __init__(self, name: str, command: list[str], socket: Path | None = None) -> None:
        self._name = name
        self._command = command
        self._socket = socket
        self._process: asyncio.subprocess.Process | None = None
        self._folder: str | None = None
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Of the process that we run, while it runs."""
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and alive else None

    async def probe(self) -> dict[str, Any]:
        """What ``--probe`` answers. Raises ``BackendError("not_available")``."""
        if not self._command:
            if self._socket is not None and self._socket.is_socket():
                return {"protocol": 1, "caps": {}}
            raise BackendError("not_available", f"Nobody listens at {self._socket}.")
        if shutil.which(self._command[0]) is None:
            raise BackendError("not_available", f"There is no program {self._command[0]!r}.")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self._command, "--probe", stdout=pipe, stderr=pipe, stdin=asyncio.subprocess.DEVNULL
        )
        try:
            out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        with contextlib.suppress(ValueError, IndexError):
            answer = json.loads(out.decode(errors="replace").strip().splitlines()[-1])
            if isinstance(answer, dict):
                return answer  # pyright: ignore[reportUnknownVariableType]
        last = (err.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise BackendError("not_available", f"Its --probe failed: {last[:300]}")

    async def start(self) -> None:
        """Start it unless it runs. Raises ``BackendError``."""
        async with self._starting:
            if not self._command or self.pid is not None:
                return
            self._folder = self._folder or tempfile.mkdtemp(prefix="visavis-face-")
            self._socket = Path(self._folder) / "face.sock"
            self._socket.unlink(missing_ok=True)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    "--socket",
                    str(self._socket),
                    stdin=asyncio.subprocess.PIPE,  # it ends when this does, however we end
                    start_new_session=True,
                )
            except OSError as error:
                raise BackendError("not_available", f"It cannot be started: {error}") from None
            self._process = process
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            log.info("face_started", face=self._name, pid=process.pid)
            await self._listening(process)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to it, started if need be. Raises ``BackendError``."""
        await self.start()
        assert self._socket is not None
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                return await asyncio.open_unix_connection(self._socket, limit=_READ_LIMIT)
            except OSError as error:
                if not attempts_left:
                    raise BackendError("lost", f"It does not answer: {error.strerror}.") from None
            await asyncio.sleep(_POLL_S)
        raise AssertionError

    async def stop(self) -> None:
        """End it, politely first."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _listening(self, process: asyncio.subprocess.Process) -> None:
        assert self._socket is not None
        while not self._socket.is_socket():
            if process.returncode is not None:
                raise BackendError("lost", f"It ended at once, with {process.returncode}.")
            await asyncio.sleep(_POLL_S)
