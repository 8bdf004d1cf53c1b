"""Avatars: ``/v1/avatar``."""

import httpx

from visavis.api.avatars import AvatarView, Subject
from visavis.api.page import Page
from visavis.client.call import Call, Upload, into, nothing, segment
from visavis.client.operation import Resource, S, iterating, operation

_MAKING_S = 150.0
"""A few seconds as a rule; the first photo may have to wait for the face models."""


class Avatars(Resource[S]):
    """Faces made from a photo."""

    @operation
    def create(
        self, file: bytes, *, name: str, consent: Subject, statement: str | None = None
    ) -> Call[AvatarView]:
        """Make a face from a JPEG, PNG or WebP, or take an ``.avatar`` file.

        ``consent``: whose face it is. ``ApiError`` ``avatar_refused`` has ``reasons``.
        """
        fields = {"name": name, "consent": consent}
        if statement is not None:
            fields["statement"] = statement
        upload = Upload(file, fields)
        return Call("POST", "/v1/avatar", into(AvatarView), upload, timeout_s=_MAKING_S)

    @operation
    def get(self, avatar_id: str) -> Call[AvatarView]:
        """One face, also a built-in character."""
        return Call("GET", _path(avatar_id), into(AvatarView))

    @operation
    def list(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[AvatarView]]:
        """One page, newest first."""
        query = {"limit": limit, "cursor": cursor}
        return Call("GET", "/v1/avatar", into(Page[AvatarView]), query=query)

    @iterating
    def iterate(self) -> Call[Page[AvatarView]]:
        """All faces made here, newest first."""
        return Call("GET", "/v1/avatar", into(Page[AvatarView]), query={"limit": 100})

    @operation
    def preview(self, avatar_id: str) -> Call[bytes]:
        """A still, WebP."""
        return Call("GET", f"{_path(avatar_id)}/preview", _content)

    @operation
    def clip(self, avatar_id: str) -> Call[bytes]:
        """The face saying a sentence, WebM."""
        return Call("GET", f"{_path(avatar_id)}/clip", _content, timeout_s=_MAKING_S)

    @operation
    def delete(self, avatar_id: str, *, force: bool = False) -> Call[None]:
        """Remove the face; ``force``: although agents have it."""
        return Call("DELETE", _path(avatar_id), nothing, query={"force": force or None})


def _content(response: httpx.Response) -> bytes:
    return response.content


def _path(avatar_id: str) -> str:
    return f"/v1/avatar/{segment(avatar_id)}"
