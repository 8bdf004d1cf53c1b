"""``Client`` and ``AsyncClient``: the whole REST API of a server, typed."""

from collections.abc import Awaitable
from typing import TypeVar

from visavis.client.agents import Agents
from visavis.client.analytics import Analytics
from visavis.client.avatars import Avatars
from visavis.client.call import Call
from visavis.client.keys import Keys
from visavis.client.sessions import Sessions
from visavis.client.tools import Tools
from visavis.client.transport import AsyncTransport, SyncTransport
from visavis.client.webhooks import Webhooks

T = TypeVar("T")

TIMEOUT_S = 30.0


class Client:
    """A server's REST API. Use as ``with Client() as client``.

    ``url`` and ``api_key`` default to ``VISAVIS_URL`` (else this machine, port 7860) and
    ``VISAVIS_API_KEY``. Every method raises ``ApiError``, ``Unreachable`` or ``BadAnswer``.
    """

    def __init__(
        self, url: str | None = None, api_key: str | None = None, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._transport = SyncTransport(url, api_key, timeout_s)
        self.agents = Agents(self._transport)
        self.tools = Tools(self._transport)
        self.avatars = Avatars(self._transport)
        self.sessions = Sessions(self._transport)
        self.webhooks = Webhooks(self._transport)
        self.keys = Keys(self._transport)
        self.analytics = Analytics(self._transport)

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        return str(self._transport.http.base_url).rstrip("/")

    def send(self, call: Call[T]) -> T:
        """Send a request that has no method of its own."""
        return self._transport.send(call)

    def close(self) -> None:
        self._transport.http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """As ``Client``, for asyncio: await every method, ``async for`` over lists and streams."""

    def __init__(
        self, url: str | None = None, api_key: str | None = None, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._transport = AsyncTransport(url, api_key, timeout_s)
        self.agents = Agents(self._transport)
        self.tools = Tools(self._transport)
        self.avatars = Avatars(self._transport)
        self.sessions = Sessions(self._transport)
        self.webhooks = Webhooks(self._transport)
        self.keys = Keys(self._transport)
        self.analytics = Analytics(self._transport)

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        return str(self._transport.http.base_url).rstrip("/")

    def send(self, call: Call[T]) -> Awaitable[T]:
        """Send a request that has no method of its own."""
        return self._transport.send(call)

    async def close(self) -> None:
        await self._transport.http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
