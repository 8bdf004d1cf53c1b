"""The API keys that callers show, looked up by their hash."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from visavis.server.errors import Problem
from visavis.storage import keys as store
from visavis.storage.database import Database
from visavis.storage.tables import ApiKeyRow

CACHE_S = 10.0
"""How long another server's revocation may go unnoticed; our own counts at once."""
MAX_CACHED = 1024
TOUCH_EVERY_MS = 60_000
WRITE_EVERY_S = 2.0

log = structlog.stdlib.get_logger("visavis.server")


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that is valid now."""

    id: str
    prefix: str
    scopes: frozenset[str]
    expires_at: int | None
    last_used_at: int | None


class KeyRing:
    """Knows valid keys for ``CACHE_S``, and notes each one's use at most once a minute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: OrderedDict[str, tuple[float, KnownKey]] = OrderedDict()
        self._revocations = 0
        self._noted: dict[str, int] = {}
        self._unwritten: dict[str, int] = {}

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["KeyRing"]:
        """Write uses down beside the requests until exit."""
        writer = asyncio.create_task(self._keep_writing(), name="key-uses")
        try:
            yield self
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
            await self._write()

    async def find(self, key: str) -> KnownKey:
        """The key that was shown, if it is valid.

        Raises ``Problem``: ``key_invalid``, ``key_revoked`` or ``key_expired``.
        """
        sha256 = store.digest(key)
        known = self._cached(sha256) or await self._look_up(sha256)
        now_ms = time.time_ns() // 1_000_000
        if known.expires_at is not None and known.expires_at <= now_ms:
            raise _refused("key_expired", known.id)
        if now_ms - self._noted.get(known.id, known.last_used_at or 0) >= TOUCH_EVERY_MS:
            self._noted[known.id] = self._unwritten[known.id] = now_ms
        return known

    def known(self, key: str) -> KnownKey | None:
        """The key, if it was seen to be valid a moment ago; asks nobody."""
        return self._cached(store.digest(key))

    def forget(self, key_id: str) -> None:
        """A key was revoked: what is remembered of it, or being looked up now, no longer counts."""
        self._revocations += 1
        for sha256 in [s for s, (_, known) in self._cache.items() if known.id == key_id]:
            del self._cache[sha256]

    def _cached(self, sha256: str) -> KnownKey | None:
        until, known = self._cache.get(sha256, (0.0, None))
        return known if time.monotonic() < until else None

    async def _look_up(self, sha256: str) -> KnownKey:
        revocations = self._revocations
        async with self._database.read() as session:
            row = await store.by_digest(session, sha256)
        if row is None:
            raise Problem("key_invalid")
        if row.revoked_at is not None:
            raise _refused("key_revoked", row.id)
        known = _known(row)
        if revocations == self._revocations:
            self._cache[sha256] = (time.monotonic() + CACHE_S, known)
            if len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        return known

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self._write()

    async def _write(self) -> None:
        """``last_used_at`` is a convenience: a database that is away loses some, and is told of."""
        uses, self._unwritten = self._unwritten, {}
        if not uses:
            return
        try:
            async with self._database.write() as session:
                for key_id, used_ms in uses.items():
                    await store.touch(session, key_id, used_ms)
        except SQLAlchemyError as error:
            log.warning("key_uses_lost", error=type(error).__name__)


def _known(row: ApiKeyRow) -> KnownKey:
    return KnownKey(row.id, row.prefix, frozenset(row.scopes), row.expires_at, row.last_used_at)


def _refused(code: str, key_id: str) -> Problem:
    problem = Problem(code)
    problem.actor = f"key:{key_id}"
    return problem
