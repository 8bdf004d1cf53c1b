"""The connections to OpenAI-compatible servers, and what their failures mean."""

import asyncio
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import openai

from visavis.net.client import GuardedClient
from visavis.net.errors import OutgoingError
from visavis.providers.base import Endpoint, ProviderError

_CONNECT_S = 3.0
_READ_S = 30.0
"""Between two pieces of an answer: a small machine takes its time over a long prompt."""

_MAX_ANSWER = 64 << 20
"""Bytes that a server brought by an agent may answer."""

_TIMEOUT = openai.Timeout(_READ_S, connect=_CONNECT_S)


@dataclass(slots=True)
class _Connections:
    """Of one event loop: to trusted servers, and by allow-list to those that agents bring."""

    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    pools: dict[tuple[str, ...] | None, openai.DefaultAsyncHttpxClient] = field(
        default_factory=dict[tuple[str, ...] | None, openai.DefaultAsyncHttpxClient]
    )

    def to(self, endpoint: Endpoint) -> openai.DefaultAsyncHttpxClient:
        allow = endpoint.outgoing_allow
        if allow not in self.pools:
            self.pools[allow] = self._trusting() if allow is None else self._guarded(allow)
        return self.pools[allow]

    def _trusting(self) -> openai.DefaultAsyncHttpxClient:
        pool = openai.DefaultAsyncHttpxClient(timeout=_TIMEOUT)
        self.stack.push_async_callback(pool.aclose)
        return pool

    def _guarded(self, allow: tuple[str, ...]) -> openai.DefaultAsyncHttpxClient:
        guard = GuardedClient(allow)
        self.stack.push_async_exit(guard)
        transport = guard.transport(max_bytes=_MAX_ANSWER)
        pool = openai.DefaultAsyncHttpxClient(timeout=_TIMEOUT, transport=transport)
        self.stack.push_async_callback(pool.aclose)
        return pool


# One set of connections per event loop, so that every session of a worker finds them warm.
_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connections] = WeakKeyDictionary()


def client_for(endpoint: Endpoint) -> openai.AsyncOpenAI:
    """OpenAI's client on the running loop's connections. It does not retry: its caller decides."""
    connections = _connections.setdefault(asyncio.get_running_loop(), _Connections())
    return openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key or "none",  # the library insists on one
        http_client=connections.to(endpoint),
        timeout=_TIMEOUT,
        max_retries=0,
    )


def http_for(endpoint: Endpoint) -> openai.DefaultAsyncHttpxClient:
    """The running loop's connections to other servers than OpenAI's kind, guarded alike."""
    return _connections.setdefault(asyncio.get_running_loop(), _Connections()).to(endpoint)


async def aclose() -> None:
    """Close the running loop's connections; the next call opens new ones."""
    connections = _connections.pop(asyncio.get_running_loop(), None)
    if connections is not None:
        await connections.stack.aclose()


@contextmanager
def provider_errors(what: str) -> Generator[None]:
    """Turn every failure of a model server into a ``ProviderError`` about ``what``."""
    try:
        yield
    except OutgoingError as error:
        raise ProviderError(error.code, f"{what}: {error.message}", retryable=False) from error
    except openai.APITimeoutError as error:
        raise ProviderError("timeout", f"{what} did not answer in time.", retryable=True) from error
    except openai.APIConnectionError as error:
        raise ProviderError("unreachable", f"{what} cannot be reached.", retryable=True) from error
    except openai.APIStatusError as error:
        raise _refusal(what, error) from error
    except openai.APIError as error:  # told inside a stream
        code = str(error.code or "failed")
        raise ProviderError(code, f"{what}: {error.message}", retryable=False) from error


def _refusal(what: str, error: openai.APIStatusError) -> ProviderError:
    status = error.status_code
    return ProviderError(
        str(error.code or f"http_{status}"),
        f"{what} answered {status}: {error.message}",
        retryable=status >= 500 or status in (408, 409, 429),
    )
