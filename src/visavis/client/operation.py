"""Turns a described request into a method: a waiting one on ``Client``, async on ``AsyncClient``.

    class Agents(Resource[S]):
        @operation
        def get(self, agent_id: str) -> Call[AgentView]: ...

``client.agents.get("demo")`` is then an ``AgentView``, and with an ``AsyncClient`` it is awaited.
``iterating`` and ``streaming`` do the same for lists and downloads.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from visavis.api.page import Page
from visavis.client.call import Call, Download
from visavis.client.transport import AsyncTransport, SyncTransport

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", SyncTransport, AsyncTransport)


class Resource(Generic[S]):
    """A group of operations, bound to a transport."""

    def __init__(self, transport: S) -> None:
        self.transport: S = transport


class operation(Generic[P, T]):
    """One request, one answer."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, resource: Resource[SyncTransport], owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, resource: Resource[AsyncTransport], owner: Any
    ) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, resource: Resource[Any], owner: Any) -> Callable[P, T | Awaitable[T]]:
        transport: SyncTransport | AsyncTransport = resource.transport

        describe: Callable[P, Call[T]] = self._describe.__get__(resource)

        @wraps(describe)
        def send(*args: P.args, **kwargs: P.kwargs) -> T | Awaitable[T]:
            return transport.send(describe(*args, **kwargs))

        return send


class iterating(Generic[P, T]):
    """All items of a list, asked for page by page as they are used."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[Page[T]]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(
        self, resource: Resource[SyncTransport], owner: Any
    ) -> Callable[P, Generator[T]]: ...
    @overload
    def __get__(
        self, resource: Resource[AsyncTransport], owner: Any
    ) -> Callable[P, AsyncGenerator[T]]: ...
    def __get__(
        self, resource: Resource[Any], owner: Any
    ) -> Callable[P, Generator[T] | AsyncGenerator[T]]:
        transport: SyncTransport | AsyncTransport = resource.transport

        describe: Callable[P, Call[Page[T]]] = self._describe.__get__(resource)

        @wraps(describe)
        def items(*args: P.args, **kwargs: P.kwargs) -> Generator[T] | AsyncGenerator[T]:
            call = describe(*args, **kwargs)
            if isinstance(transport, SyncTransport):
                return _items(transport, call)
            return _async_items(transport, call)

        return items


class streaming(Generic[P, T]):
    """The items of a download, as they come."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Download[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(
        self, resource: Resource[SyncTransport], owner: Any
    ) -> Callable[P, Generator[T]]: ...
    @overload
    def __get__(
        self, resource: Resource[AsyncTransport], owner: Any
    ) -> Callable[P, AsyncGenerator[T]]: ...
    def __get__(
        self, resource: Resource[Any], owner: Any
    ) -> Callable[P, Generator[T] | AsyncGenerator[T]]:
        transport: SyncTransport | AsyncTransport = resource.transport

        describe: Callable[P, Download[T]] = self._describe.__get__(resource)

        @wraps(describe)
        def items(*args: P.args, **kwargs: P.kwargs) -> Generator[T] | AsyncGenerator[T]:
            return transport.stream(describe(*args, **kwargs))

        return items


def _items(transport: SyncTransport, call: Call[Page[T]]) -> Generator[T]:
    while True:
        page = transport.send(call)
        yield from page.data
        if page.next_cursor is None:
            return
        call = call.with_query(cursor=page.next_cursor)


async def _async_items(transport: AsyncTransport, call: Call[Page[T]]) -> AsyncGenerator[T]:
    while True:
        page = await transport.send(call)
        for item in page.data:
            yield item
        if page.next_cursor is None:
            return
        call = call.with_query(cursor=page.next_cursor)
