"""The guarded way out, as an httpx2 transport: for our own client and for whoever brings his.

The guard sits where connections are made. A name is looked up once per connection, and the
connection goes to the very address that was checked; the Host header and TLS keep the name.
"""

import ssl
from collections.abc import Iterable
from typing import cast

import httpcore2
import httpx2

from visavis.net.body import ACCEPTED, BoundedBody
from visavis.net.errors import OutgoingError
from visavis.net.guard import Guard

CONNECT_S = 5.0
MAX_CONNECTIONS = 200
KEEPALIVE_S = 4.0
"""Less than common servers wait, so that a kept connection is rarely one just closed."""
MAX_BYTES = 8 << 20


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that the guard lets through."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = cast(httpcore2.AsyncNetworkBackend, httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        limit_s = CONNECT_S if timeout is None else min(timeout, CONNECT_S)
        *others, last = await self._guard.addresses(host, port)
        for address in others:
            try:
                return await self._inner.connect_tcp(address, port, limit_s)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(last, port, limit_s)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise OutgoingError("url_refused", "Only http and https URLs can be called.")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """Give it to an ``httpx2.AsyncClient(transport=…)``: no proxy, no unguarded connection.

    Answers come unpacked and end with ``OutgoingError`` (``response_too_large``) behind
    ``max_bytes``; a request's ``extensions["max_bytes"]`` goes before.
    """

    def __init__(self, guard: Guard, tls: ssl.SSLContext, *, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._guard = guard
        self._max_bytes = max_bytes
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=GuardedBackend(guard),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises ``OutgoingError`` and what httpx2 raises."""
        self._guard.check_url(request.url)
        request.headers["Accept-Encoding"] = ACCEPTED
        max_bytes = request.extensions.get("max_bytes", self._max_bytes)
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        headers = response.headers.copy()
        encoding = headers.pop("Content-Encoding", "").strip().lower()
        try:
            body = BoundedBody(response.stream, encoding, max_bytes)
        except OutgoingError:
            await response.aclose()
            raise
        if encoding:
            headers.pop("Content-Length", None)
        return httpx2.Response(
            response.status_code, headers=headers, stream=body, extensions=response.extensions
        )
