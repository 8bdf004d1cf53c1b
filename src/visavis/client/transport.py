"""Sends calls: a waiting transport and an async one, alike but for ``await``."""

import asyncio
import ipaddress
import os
import random
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any, TypeVar

import httpx

import visavis
from visavis.client.call import Call, Download
from visavis.client.errors import Unreachable, api_error

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:7860"
ATTEMPTS = 3
LONGEST_WAIT_S = 5.0
"""A server that asks for more patience than this is refused its second chance."""

_BUSY = (502, 503)


class SyncTransport:
    """Sends each call and waits for it."""

    def __init__(self, url: str | None, api_key: str | None, timeout_s: float) -> None:
        self.http = httpx.Client(**_options(url, api_key, timeout_s))

    def send(self, call: Call[T]) -> T:
        """The call's answer. Raises ``ApiError``, ``Unreachable``, ``BadAnswer``."""
        request, attempt = call.request(self.http), 1
        while True:
            try:
                outcome = self.http.send(request)
            except httpx.HTTPError as error:
                outcome = error
            wait_s = _pause_s(call, attempt, outcome)
            if wait_s is None:
                return _result(call, outcome)
            time.sleep(wait_s)
            attempt += 1

    def stream(self, download: Download[T]) -> Generator[T]:
        """The download's items as they come. Raises as ``send`` does."""
        decode = download.decoder()
        request = download.request(self.http)
        try:
            response = self.http.send(request, stream=True)
            try:
                if not response.is_success:
                    response.read()
                    raise api_error(response)
                for piece in response.iter_bytes():
                    yield from decode(piece)
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise _unreachable(request, error) from error


class AsyncTransport:
    """Sends each call without blocking the event loop."""

    def __init__(self, url: str | None, api_key: str | None, timeout_s: float) -> None:
        self.http = httpx.AsyncClient(**_options(url, api_key, timeout_s))

    async def send(self, call: Call[T]) -> T:
        """The call's answer. Raises ``ApiError``, ``Unreachable``, ``BadAnswer``."""
        request, attempt = call.request(self.http), 1
        while True:
            try:
                outcome = await self.http.send(request)
            except httpx.HTTPError as error:
                outcome = error
            wait_s = _pause_s(call, attempt, outcome)
            if wait_s is None:
                return _result(call, outcome)
            await asyncio.sleep(wait_s)
            attempt += 1

    async def stream(self, download: Download[T]) -> AsyncGenerator[T]:
        """The download's items as they come. Raises as ``send`` does."""
        decode = download.decoder()
        request = download.request(self.http)
        try:
            response = await self.http.send(request, stream=True)
            try:
                if not response.is_success:
                    await response.aread()
                    raise api_error(response)
                async for piece in response.aiter_bytes():
                    for item in decode(piece):
                        yield item
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise _unreachable(request, error) from error


def _options(url: str | None, api_key: str | None, timeout_s: float) -> dict[str, Any]:
    base = (url or os.environ.get("VISAVIS_URL") or DEFAULT_URL).rstrip("/")
    key = api_key or os.environ.get("VISAVIS_API_KEY")
    headers = {"User-Agent": f"visavis-client/{visavis.__version__}"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return {
        "base_url": base,
        "headers": headers,
        "timeout": httpx.Timeout(timeout_s, connect=min(5.0, timeout_s)),
        # A proxy of the environment is for other machines.
        "trust_env": not _is_this_machine(httpx.URL(base).host),
    }


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _pause_s(
    call: Call[Any], attempt: int, outcome: httpx.Response | httpx.HTTPError
) -> float | None:
    """How long to wait before the next attempt; None: there is none."""
    if attempt >= ATTEMPTS:
        return None
    wait_s = 0.2 * 2**attempt * random.uniform(0.5, 1)  # jitter: not everyone at once again
    if isinstance(outcome, httpx.ConnectError | httpx.ConnectTimeout):
        return wait_s  # nothing was sent
    if not call.repeatable:
        return None
    if isinstance(outcome, httpx.HTTPError):
        return wait_s if isinstance(outcome, httpx.NetworkError | httpx.ProtocolError) else None
    if outcome.status_code not in _BUSY:
        return None
    asked = outcome.headers.get("retry-after", "")
    if asked.isdigit():
        return float(asked) if float(asked) <= LONGEST_WAIT_S else None
    return wait_s


def _result(call: Call[T], outcome: httpx.Response | httpx.HTTPError) -> T:
    if isinstance(outcome, httpx.HTTPError):
        raise _unreachable(outcome.request, outcome) from outcome
    if not outcome.is_success:
        raise api_error(outcome)
    return call.read(outcome)


def _unreachable(request: httpx.Request, error: httpx.HTTPError) -> Unreachable:
    where = f"{request.method} {request.url.copy_with(query=None)}"
    return Unreachable(f"{where}: {str(error) or type(error).__name__}")
