"""Lists, page by page: newest first, with an opaque cursor."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import Query

from visavis.api.page import Page
from visavis.server.errors import Problem

Limit = Annotated[int, Query(ge=1, le=100, description="How many to answer at most.")]
Cursor = Annotated[
    str | None, Query(max_length=200, description="``next_cursor`` of the page before.")
]

T = TypeVar("T")


def encode_cursor(created_at: int, identity: str) -> str:
    """Points behind the row with this creation time (Unix ms) and id."""
    return base64.urlsafe_b64encode(f"{created_at}.{identity}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[int, str]:
    """Creation time and id. Raises ``Problem`` (``invalid_request``)."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        created_at, _, identity = base64.urlsafe_b64decode(padded).decode("ascii").partition(".")
        if 0 <= int(created_at) < 1 << 62 and identity.replace("-", "").isalnum():
            return int(created_at), identity
    except (ValueError, binascii.Error):
        pass
    problem = Problem("invalid_request", "This is no cursor of ours.")
    problem.members["field"] = "cursor"
    raise problem


def page(rows: Sequence[T], limit: int, cursors: Sequence[str]) -> Page[T]:
    """A page of ``limit`` items; give one more than that where there are more."""
    more = len(rows) > limit
    return Page(data=list(rows[:limit]), next_cursor=cursors[limit - 1] if more else None)


def iso(unix_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds and ``Z``."""
    moment = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
