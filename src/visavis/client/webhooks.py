"""Webhooks and their deliveries: ``/v1/webhook`` and ``/v1/delivery``."""

from visavis.api.page import Page
from visavis.api.webhooks import (
    DeliveryStatus,
    DeliveryView,
    WebhookCreate,
    WebhookCreated,
    WebhookPatch,
    WebhookSecret,
    WebhookView,
)
from visavis.client.call import Call, into, nothing, segment
from visavis.client.operation import Resource, S, iterating, operation


class Webhooks(Resource[S]):
    """Where the account's events are sent, and what became of each message."""

    @operation
    def create(self, webhook: WebhookCreate) -> Call[WebhookCreated]:
        """A new receiver; its secret is answered this once."""
        return Call("POST", "/v1/webhook", into(WebhookCreated), webhook)

    @operation
    def get(self, webhook_id: str) -> Call[WebhookView]:
        """One webhook."""
        return Call("GET", _path(webhook_id), into(WebhookView))

    @operation
    def list(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[WebhookView]]:
        """One page, newest first."""
        query = {"limit": limit, "cursor": cursor}
        return Call("GET", "/v1/webhook", into(Page[WebhookView]), query=query)

    @iterating
    def iterate(self) -> Call[Page[WebhookView]]:
        """All webhooks, newest first."""
        return Call("GET", "/v1/webhook", into(Page[WebhookView]), query={"limit": 100})

    @operation
    def update(self, webhook_id: str, patch: WebhookPatch) -> Call[WebhookView]:
        """Change what ``patch`` sets."""
        return Call("PATCH", _path(webhook_id), into(WebhookView), patch)

    @operation
    def delete(self, webhook_id: str) -> Call[None]:
        """Delete the webhook; what was on its way is cancelled."""
        return Call("DELETE", _path(webhook_id), nothing)

    @operation
    def rotate_secret(self, webhook_id: str) -> Call[WebhookSecret]:
        """A new secret; the old one signs beside it for a while."""
        return Call("POST", f"{_path(webhook_id)}/rotate-secret", into(WebhookSecret))

    @operation
    def callback_secret(self) -> Call[WebhookSecret]:
        """The secret that signs what agents' own ``callback_url`` get."""
        return Call("GET", "/v1/webhook/callback-secret", into(WebhookSecret))

    @operation
    def test(self, webhook_id: str) -> Call[DeliveryView]:
        """Send a test message."""
        return Call("POST", f"{_path(webhook_id)}/test", into(DeliveryView))

    @iterating
    def deliveries(
        self,
        webhook_id: str | None = None,
        *,
        status: DeliveryStatus | None = None,
    ) -> Call[Page[DeliveryView]]:
        """Messages to one webhook, or to all, newest first, with every attempt."""
        path = "/v1/delivery" if webhook_id is None else f"{_path(webhook_id)}/delivery"
        query = {"limit": 100, "status": status}
        return Call("GET", path, into(Page[DeliveryView]), query=query)

    @operation
    def delivery(self, delivery_id: str) -> Call[DeliveryView]:
        """One message and how it fares."""
        return Call("GET", f"/v1/delivery/{segment(delivery_id)}", into(DeliveryView))

    @operation
    def replay(self, delivery_id: str) -> Call[DeliveryView]:
        """Send a message again, as a new delivery."""
        return Call("POST", f"/v1/delivery/{segment(delivery_id)}/replay", into(DeliveryView))


def _path(webhook_id: str) -> str:
    return f"/v1/webhook/{segment(webhook_id)}"
