"""The one guarded HTTP client for everything that users make us call: tools and webhooks."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx2

from visavis.net.errors import OutgoingError
from visavis.net.guard import Guard
from visavis.net.redirects import STATUSES, Call, redirected
from visavis.net.resolver import Resolve, SystemResolver
from visavis.net.transport import GuardedTransport

__all__ = ["GuardedClient", "OutgoingError", "OutgoingResponse"]

USER_AGENT = "visavis"
_OURS = frozenset(("host", "content-length", "transfer-encoding", "connection", "accept-encoding"))
"""Headers that belong to the connection; nobody else sets them."""


@dataclass(frozen=True, slots=True)
class OutgoingResponse:
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


class GuardedClient:
    """``allow``: hosts and networks (CIDR) that may be called although they are private.

    Use ``async with``. ``resolve`` and ``tls`` stand in for the system's name look-up and
    certificates. Raises ``AllowError`` for an entry that means nothing.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._system = SystemResolver()
        self._guard = Guard(allow, resolve or self._system)
        self._tls = tls or httpx2.create_ssl_context()
        self._transport = self.transport()

    async def __aenter__(self) -> "GuardedClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._transport.aclose()
        self._system.close()

    def check(self, url: str) -> None:
        """Refuse what can be refused without a look-up, before a URL is stored.

        Raises ``OutgoingError`` (``url_refused``).
        """
        self._guard.check_url(url)

    def transport(self, *, max_bytes: int = 8 << 20) -> GuardedTransport:
        """The same guard for an ``httpx2.AsyncClient``, which closes it with itself."""
        return GuardedTransport(self._guard, self._tls, max_bytes=max_bytes)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float = 20.0,
        max_bytes: int = 1 << 20,
        redirects: int = 0,
    ) -> OutgoingResponse:
        """One call; ``timeout_s`` covers all of it, name look-up and body included.

        Follows as many ``redirects``; with none, a redirect is an answer like any other. The
        answer has at most ``max_bytes``, unpacked. Raises ``OutgoingError``. Any HTTP status is
        an answer.
        """
        given = {k: v for k, v in (headers or {}).items() if k.lower() not in _OURS}
        call = Call(method.upper(), self._guard.check_url(url), given, body)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._follow(call, max_bytes, redirects)
        except TimeoutError:
            raise OutgoingError("timeout", f"No answer within {timeout_s:g} s.") from None

    async def _follow(self, call: Call, max_bytes: int, redirects: int) -> OutgoingResponse:
        for followed in range(redirects + 1):
            answer = await self._send(call, max_bytes)
            location = answer.headers.get("location")
            if redirects == 0 or answer.status not in STATUSES or location is None:
                return answer
            if followed < redirects:
                call = redirected(call, answer.status, location)
                self._guard.check_url(call.url)
        raise OutgoingError("redirect_refused", f"It redirects more than {redirects} times.")

    async def _send(self, call: Call, max_bytes: int) -> OutgoingResponse:
        try:
            request = httpx2.Request(
                call.method,
                call.url,
                headers={"User-Agent": USER_AGENT, "Accept": "*/*", **call.headers},
                content=call.body,
                extensions={"max_bytes": max_bytes},
            )
            response = await self._transport.handle_async_request(request)
            try:
                body = await response.aread()
            except OutgoingError as error:
                error.status = response.status_code
                raise
            finally:
                await response.aclose()
        except (httpx2.LocalProtocolError, ValueError):
            raise OutgoingError("url_refused", "That is no request that can be sent.") from None
        except httpx2.TimeoutException:
            raise OutgoingError("timeout", "The host did not answer in time.") from None
        except (httpx2.ConnectError, OSError):
            raise OutgoingError("unreachable", "The host cannot be reached.") from None
        except httpx2.TransportError:
            raise OutgoingError("unreachable", "The host broke off, or spoke no HTTP.") from None
        return OutgoingResponse(
            response.status_code, response.reason_phrase, dict(response.headers), body
        )
