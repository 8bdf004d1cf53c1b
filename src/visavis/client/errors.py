"""What can go wrong between a program and a visavis server.

``ClientError``
    ``ApiError``     the server refused; carries the problem document
    ``Unreachable``  nobody answered, or the connection broke
    ``BadAnswer``    the answer is not what this version of the API says
"""

from collections.abc import Mapping
from typing import Any, cast

import httpx

_STANDARD = {"type", "title", "status", "detail", "code", "request_id"}


class ClientError(Exception):
    """Every error of ``visavis.client``."""


class ApiError(ClientError):
    """The server refused. ``code`` is stable; ``members`` adds e.g. ``field`` and ``allowed``."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        members: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"{detail} ({code})")
        self.status = status
        self.code = code
        self.detail = detail
        self.members = dict(members or {})
        self.request_id = request_id


class Unreachable(ClientError):
    """Nobody answers at the server's address, or the answer broke off."""


class BadAnswer(ClientError):
    """The server answered something that this client does not understand."""


def api_error(response: httpx.Response) -> ApiError:
    """Read ``application/problem+json``; make the best of anything else."""
    try:
        parsed: Any = response.json()
    except ValueError:
        parsed = None
    body: dict[str, Any] = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
    return ApiError(
        response.status_code,
        str(body.get("code") or f"http_{response.status_code}"),
        str(body.get("detail") or body.get("title") or response.reason_phrase),
        {name: value for name, value in body.items() if name not in _STANDARD},
        str(body.get("request_id") or response.headers.get("x-request-id") or "") or None,
    )
