"""Pictures behind faces, fetched from where agents say and kept for a while."""

import hashlib
import os
import time
from pathlib import Path

import structlog

from visavis.net.client import GuardedClient, OutgoingError

MAX_BYTES = 8 << 20
FETCH_S = 5.0
FRESH_S = 3600.0

_KINDS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")

log = structlog.stdlib.get_logger("visavis.sessions")


class Backdrops:
    """JPEG, PNG and WebP pictures by URL, as files on this machine."""

    def __init__(self, data_dir: Path, http: GuardedClient) -> None:
        self._folder = data_dir / "backdrops"
        self._http = http

    async def file(self, url: str) -> Path | None:
        """The picture; None, with a warning in the log, where it cannot be had.

        An hour old it is fetched anew; a stale one is better than none.
        """
        name = hashlib.sha256(url.encode()).hexdigest()[:32]
        kept = next(self._folder.glob(f"{name}-*"), None)
        if kept is not None and time.time() - kept.stat().st_mtime < FRESH_S:
            return kept
        try:
            answer = await self._http.request(
                "GET", url, timeout_s=FETCH_S, max_bytes=MAX_BYTES, redirects=3
            )
        except OutgoingError as error:
            log.warning("backdrop_not_fetched", code=error.code)
            return kept
        if answer.status != 200 or not answer.body.startswith(_KINDS):
            log.warning("backdrop_no_picture", status=answer.status)
            return kept
        self._folder.mkdir(parents=True, exist_ok=True)
        # Named by its content too: who has read a picture by its name need not look again.
        path = self._folder / f"{name}-{hashlib.sha256(answer.body).hexdigest()[:16]}"
        half = self._folder / f".{name}.{os.getpid()}"
        half.write_bytes(answer.body)
        half.replace(path)
        if kept is not None and kept != path:
            kept.unlink(missing_ok=True)
        return path
