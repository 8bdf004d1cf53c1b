"""Faces lent to agents elsewhere: a process each, and no more than there is room for."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from visavis.avatar.backends import worker_kit as kit
from visavis.sessions.borrowed_wire import Channel, open_channel
from visavis.sessions.live import Refusal

MODULE = "visavis.sessions.borrowed_face"
START_S = 60.0
STOP_S = 5.0

log = structlog.stdlib.get_logger("visavis.sessions")


@dataclass(frozen=True, slots=True)
class Wish:
    """What face, and how its sound comes. ``rig_file``: of a face made here."""

    character_id: str
    width: int
    height: int
    sample_rate: int
    rig_file: Path | None = None
    badge: bool = True


class BorrowedFaces:
    """Counts those that are lent."""

    def __init__(self) -> None:
        self._lent = 0

    @asynccontextmanager
    async def lend(self, wish: Wish, limit: int) -> AsyncGenerator[Channel]:
        """A process that draws, ready to be told what to say; it ends with the block. ``limit``:
        how many there may be at a time.

        Raises ``Refusal``: ``capacity_exhausted``, ``worker_lost``, ``worker_timeout``.
        """
        if self._lent >= limit:
            detail = f"{limit} agents have borrowed a face; there are no more."
            raise Refusal("capacity_exhausted", detail, retry_s=10)
        self._lent += 1
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "visavis.sessions.leash", MODULE),
                *("--fd", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
            )
            theirs.close()
            channel = await open_channel(ours)
            try:
                await _greet(channel, wish)
                yield channel
            finally:
                channel.writer.close()
                await _stop(process)
        finally:
            theirs.close()
            self._lent -= 1


async def _greet(channel: Channel, wish: Wish) -> None:
    body = {
        "character_id": wish.character_id,
        "rig_file": str(wish.rig_file) if wish.rig_file else None,
        "width": wish.width,
        "height": wish.height,
        "sample_rate": wish.sample_rate,
        "badge": wish.badge,
    }
    channel.send_json(kit.HELLO, body)
    try:
        async with asyncio.timeout(START_S):
            answer = await channel.receive()
    except TimeoutError:
        raise Refusal("worker_timeout", "The face did not come in time.") from None
    if answer is None or answer.type != kit.READY:
        raise Refusal("worker_lost", "The face could not be started.")


async def _stop(process: asyncio.subprocess.Process) -> None:
    """It holds nothing that has to be put away, so it is ended at once."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        log.warning("borrowed_face_killed", pid=process.pid)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
