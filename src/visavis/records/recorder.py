"""The recorder: takes pieces from any thread, writes them in one of its own, and never waits."""

import contextlib
import os
import queue
import threading
from dataclasses import dataclass
from pathlib import Path

import structlog

from visavis.records.recorder_capture import MAGIC, Kind, Piece

MAX_WAITING = 1000
"""Pieces, about eight seconds, that a slow disk may be behind; more is dropped and counted."""
CLOSE_S = 2.0

log = structlog.stdlib.get_logger("visavis.recorder")


@dataclass(frozen=True, slots=True)
class Captured:
    """What became of a recording: from its first to its last piece, and how much was dropped."""

    duration_ms: int
    size_bytes: int
    dropped: int


class Recorder:
    """Writes one capture file, readable by its owner only.

    Every piece goes to the system at once, so a process that is killed loses only what waits. A
    disk that fails ends the recording, not the call.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: queue.Queue[Piece | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._write_on, name="recorder", daemon=True)
        self._failed = False
        self._first_us: int | None = None
        self._last_us = 0
        self._size = 0
        self._dropped = 0

    def start(self) -> None:
        self._thread.start()

    def write(self, kind: Kind, at_us: int, data: bytes) -> bool:
        """Queue a piece; False if it was dropped. Any thread; never waits."""
        try:
            self._waiting.put_nowait(Piece(kind, at_us, data))
        except queue.Full:
            self._dropped += 1
            return False
        return True

    def close(self) -> Captured:
        """Write what waits, for at most ``CLOSE_S``. Blocks: call it in a thread."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_S)
        self._thread.join(CLOSE_S)
        first_us = self._last_us if self._first_us is None else self._first_us
        captured = Captured((self._last_us - first_us) // 1000, self._size, self._dropped)
        if self._failed or captured.dropped:
            log.warning("recording_incomplete", failed=self._failed, dropped=captured.dropped)
        return captured

    def discard(self) -> None:
        """Close, and remove the file. Blocks, like ``close``."""
        self.close()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.error("recording_not_removed", error=error.strerror)

    def _write_on(self) -> None:
        try:
            with contextlib.closing(_Appender(self._path)) as file:
                file.append(MAGIC)
                while (piece := self._waiting.get()) is not None:
                    self._size = file.append(piece.to_bytes())
                    self._first_us = piece.at_us if self._first_us is None else self._first_us
                    self._last_us = max(self._last_us, piece.at_us)
        except OSError as error:
            self._failed = True
            log.error("recording_failed", error=error.strerror)
            while self._waiting.get() is not None:  # let the call go on, unrecorded
                self._dropped += 1


class _Appender:
    """A fresh file, mode 0600, without a buffer of our own."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._size = 0

    def append(self, data: bytes) -> int:
        """Write all of ``data``; the file's size."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._size += len(data)
        return self._size

    def close(self) -> None:
        os.close(self._fd)
