"""Large files (recordings, faces), wherever an fsspec URL points: a folder, S3, memory."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from fsspec.core import (  # pyright: ignore[reportMissingTypeStubs]
    url_to_fs,  # pyright: ignore[reportUnknownVariableType]
)

CHUNK = 1 << 20

T = TypeVar("T")


class BlobsError(Exception):
    """The store cannot be used; the message says why, in words for the terminal.

    Whatever a driver raises (each has errors of its own) comes as this.
    """


class Blobs:
    """Files by key. fsspec blocks, so every call to it runs in a thread.

    All methods raise ``BlobsError``.
    """

    def __init__(self, url: str) -> None:
        """Raises ``BlobsError`` where ``url`` is not understood or its driver is missing."""
        protocol = url.partition("://")[0] if "://" in url else "file"
        options = {"auto_mkdir": True} if protocol in ("file", "local") else {}
        try:
            filesystem, root = cast(tuple[Any, str], url_to_fs(url, **options))
        except ImportError:
            hint = ": install visavis[s3]." if protocol in ("s3", "s3a") else "."
            raise BlobsError(f"VISAVIS_BLOBS_URL: no driver for {protocol}://{hint}") from None
        except ValueError:
            raise BlobsError(f"VISAVIS_BLOBS_URL: {protocol}:// is not known.") from None
        self._files = filesystem
        self._root = root.rstrip("/")

    async def put(self, key: str, path: Path) -> None:
        """Store a file's content under ``key``, replacing what was there."""
        await _in_thread(self._put, key, path)

    async def size(self, key: str) -> int | None:
        """In bytes; None where there is no such blob."""
        return await _in_thread(self._size, key)

    async def read(self, key: str, first: int, last: int) -> AsyncIterator[bytes]:
        """The bytes from ``first`` to ``last``, both included."""
        for start in range(first, last + 1, CHUNK):
            end = min(start + CHUNK, last + 1)
            yield await _in_thread(self._read, key, start, end)

    async def fetch(self, key: str, path: Path) -> None:
        """Write a blob to a file, whole or not at all."""
        await _in_thread(self._fetch, key, path)

    async def delete(self, key: str) -> None:
        """Remove a blob; no harm if there is none."""
        await _in_thread(self._delete, key)

    def _at(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _put(self, key: str, path: Path) -> None:
        self._files.put_file(str(path), self._at(key))

    def _fetch(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._files.get_file(self._at(key), str(half))
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)

    def _read(self, key: str, start: int, end: int) -> bytes:
        return self._files.cat_file(self._at(key), start=start, end=end)

    def _size(self, key: str) -> int | None:
        self._files.invalidate_cache()
        try:
            return int(self._files.size(self._at(key)))
        except FileNotFoundError:
            return None

    def _delete(self, key: str) -> None:
        try:
            self._files.rm_file(self._at(key))
        except FileNotFoundError:
            return


async def _in_thread(call: Callable[..., T], *arguments: object) -> T:
    try:
        return await asyncio.to_thread(call, *arguments)
    except Exception as error:
        raise BlobsError(f"The store of files failed: {type(error).__name__}.") from error
