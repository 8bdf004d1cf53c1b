"""API keys, the caller and the audit: ``/v1/key``, ``/v1/me``, ``/v1/audit``."""

from collections.abc import Sequence
from datetime import datetime

from visavis.agents.scopes import Scope
from visavis.api.keys import AuditEntry, KeyCreate, KeyCreated, KeyPatch, KeyView, Me
from visavis.api.page import Page
from visavis.client.call import Call, into, segment
from visavis.client.operation import Resource, S, iterating, operation


class Keys(Resource[S]):
    """API keys, and what was done with them."""

    @operation
    def me(self) -> Call[Me]:
        """Who this client is to the server, and what it may do."""
        return Call("GET", "/v1/me", into(Me))

    @operation
    def create(
        self, name: str, scopes: Sequence[Scope], *, expires_at: datetime | None = None
    ) -> Call[KeyCreated]:
        """A new key; it is answered this once. ``expires_at`` needs a time zone."""
        body = KeyCreate(name=name, scopes=[*scopes], expires_at=expires_at)
        return Call("POST", "/v1/key", into(KeyCreated), body)

    @operation
    def get(self, key_id: str) -> Call[KeyView]:
        """One key, by its id."""
        return Call("GET", _path(key_id), into(KeyView))

    @operation
    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[KeyView]]:
        """One page, newest first, revoked ones too."""
        query = {"limit": limit, "cursor": cursor}
        return Call("GET", "/v1/key", into(Page[KeyView]), query=query)

    @iterating
    def iterate(self) -> Call[Page[KeyView]]:
        """All keys, newest first, revoked ones too."""
        return Call("GET", "/v1/key", into(Page[KeyView]), query={"limit": 100})

    @operation
    def rename(self, key_id: str, name: str) -> Call[KeyView]:
        """Give the key another name."""
        return Call("PATCH", _path(key_id), into(KeyView), KeyPatch(name=name))

    @operation
    def revoke(self, key_id: str) -> Call[KeyView]:
        """End the key at once; it stays in the list."""
        return Call("POST", f"{_path(key_id)}/revoke", into(KeyView))

    @iterating
    def audit(self, *, action: str | None = None) -> Call[Page[AuditEntry]]:
        """Who did, or tried, what; newest first."""
        query = {"limit": 100, "action": action}
        return Call("GET", "/v1/audit", into(Page[AuditEntry]), query=query)


def _path(key_id: str) -> str:
    return f"/v1/key/{segment(key_id)}"
