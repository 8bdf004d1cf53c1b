"""The one guarded HTTP client for everything that users make us call: tools and webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class OutgoingError(Exception):
    """A call that was refused or failed.

    ``code``: ``url_refused`` (private, link-local, metadata, bad scheme), ``unreachable``,
    ``timeout``, ``response_too_large``, ``redirect_refused``. ``message`` names no secret and
    nothing of the inner network.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


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
    """``allow``: hosts and networks (CIDR) that may be called although they are private."""

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self._allow = tuple(allow)

    async def __aenter__(self) -> "GuardedClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""

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
        """One call; ``timeout_s`` covers all of it, name lookup and body included.

        Raises ``OutgoingError``. Any HTTP status is an answer.
        """
        raise NotImplementedError
