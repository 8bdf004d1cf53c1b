"""Bounded hand-overs from a room to its one consumer."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from visavis.rooms.base import KeyFrameRequest, RateUpdate

T = TypeVar("T")


class Mailbox(Generic[T]):
    """An async iterator over the newest ``capacity`` items; the oldest are dropped and counted.

    ``put`` and ``close`` belong to the event loop. After ``close`` what is left is delivered.
    """

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque(maxlen=capacity)
        self._changed = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        if self._closed:
            return
        if len(self._items) == self._items.maxlen:
            self.dropped += 1
        self._items.append(item)
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[T]:
        while True:
            while self._items:
                yield self._items.popleft()
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()


class FeedbackBox:
    """What the encoder should do next: at most one key frame, at most one (the newest) rate."""

    def __init__(self) -> None:
        self._key_frame: KeyFrameRequest | None = None
        self._rate: RateUpdate | None = None
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, feedback: KeyFrameRequest | RateUpdate) -> None:
        if isinstance(feedback, KeyFrameRequest):
            self._key_frame = feedback
        else:
            self._rate = feedback
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[KeyFrameRequest | RateUpdate]:
        while True:
            rate, self._rate = self._rate, None
            key_frame, self._key_frame = self._key_frame, None
            # The rate first, so that the key frame is already made at it.
            if rate is not None:
                yield rate
            if key_frame is not None:
                yield key_frame
            if rate is None and key_frame is None:
                if self._closed:
                    return
                self._changed.clear()
                await self._changed.wait()
