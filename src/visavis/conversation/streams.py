"""Small steps between stages: async streams that end when told to, not when collected."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from visavis.conversation.feelings import Clause

T = TypeVar("T")


@asynccontextmanager
async def closing(stream: AsyncIterator[T]) -> AsyncGenerator[AsyncIterator[T]]:
    """Closes an async generator on the way out, and with it the requests that it holds open."""
    try:
        yield stream
    finally:
        if (aclose := getattr(stream, "aclose", None)) is not None:
            await aclose()


async def each(stream: AsyncIterator[T], first: Callable[[], None]) -> AsyncIterator[T]:
    """``stream``, telling when its first item comes."""
    waiting = True
    async with closing(stream):
        async for item in stream:
            if waiting:
                waiting = False
                first()
            yield item


async def noted(clauses: AsyncIterator[Clause], into: list[str]) -> AsyncIterator[Clause]:
    """``clauses``, their words written down as they pass."""
    async with closing(clauses):
        async for clause in clauses:
            if clause.text:
                into.append(clause.text)
            yield clause


async def once(item: T) -> AsyncIterator[T]:
    """A stream of one."""
    yield item
