"""Answers of strangers: unpacked as they come, and never more than was asked for."""

import zlib
from collections.abc import AsyncIterator

import httpx2

from visavis.net.errors import OutgoingError

ACCEPTED = "gzip"
_STEP = 64 * 1024


class BoundedBody(httpx2.AsyncByteStream):
    """The unpacked body; breaks off with ``response_too_large`` behind ``max_bytes``.

    Raises ``OutgoingError``.
    """

    def __init__(self, stream: httpx2.AsyncByteStream, encoding: str, max_bytes: int) -> None:
        self._stream = stream
        self._packed = encoding not in ("", "identity")
        self._left = max_bytes
        if self._packed and encoding not in ("gzip", "x-gzip"):
            raise OutgoingError("unreachable", "The answer is packed in a way nobody asked for.")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self._unpacked() if self._packed else aiter(self._stream)
        async for piece in pieces:
            self._left -= len(piece)
            if self._left < 0:
                raise OutgoingError("response_too_large", "The answer is too large.")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _unpacked(self) -> AsyncIterator[bytes]:
        """A few kB swell to megabytes: never more than ``_STEP`` of them at once."""
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        received = False
        async for part in self._stream:
            packed = part
            received = received or bool(packed)
            while packed and not unpack.eof:
                try:
                    piece = unpack.decompress(packed, _STEP)
                except zlib.error:
                    raise OutgoingError("unreachable", "The answer cannot be unpacked.") from None
                yield piece
                packed = unpack.unconsumed_tail
        yield unpack.flush()
        if received and not unpack.eof:
            raise OutgoingError("unreachable", "The answer breaks off.")
