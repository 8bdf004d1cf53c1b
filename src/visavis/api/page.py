"""One page of a list."""

from typing import Generic, TypeVar

from pydantic import BaseModel

ACCOUNT_ID = "00000000-0000-4000-8000-000000000001"
"""``user_id`` of everything: a server belongs to one account."""

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """Newest first; ``next_cursor`` asks for what follows, None at the end."""

    data: list[T]
    next_cursor: str | None
