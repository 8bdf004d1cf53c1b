"""The connections to OpenAI-compatible servers, and what their failures mean."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import openai

from visavis.providers.base import Endpoint, ProviderError

_CONNECT_S = 3.0
_READ_S = 30.0
"""Between two pieces of an answer: a small machine takes its time over a long prompt."""

# One pool of connections per event loop, so that every session of a worker finds them warm.
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, openai.DefaultAsyncHttpxClient] = (
    WeakKeyDictionary()
)


def client_for(endpoint: Endpoint) -> openai.AsyncOpenAI:
    """OpenAI's client on the running loop's connections. It does not retry: its caller decides."""
    loop = asyncio.get_running_loop()
    timeout = openai.Timeout(_READ_S, connect=_CONNECT_S)
    if loop not in _pools:
        _pools[loop] = openai.DefaultAsyncHttpxClient(timeout=timeout)
    return openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key or "none",  # the library insists on one
        http_client=_pools[loop],
        timeout=timeout,
        max_retries=0,
    )


async def aclose() -> None:
    """Close the running loop's connections; the next call opens new ones."""
    pool = _pools.pop(asyncio.get_running_loop(), None)
    if pool is not None:
        await pool.aclose()


@contextmanager
def provider_errors(what: str) -> Generator[None]:
    """Turn every failure of a model server into a ``ProviderError`` about ``what``."""
    try:
        yield
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
