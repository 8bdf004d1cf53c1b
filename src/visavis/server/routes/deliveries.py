"""The delivery log over REST, and replay."""

from collections.abc import Sequence
from typing import Annotated, cast

from fastapi import APIRouter, Path, Query

from visavis.agents.fields import Id
from visavis.api.page import Page
from visavis.api.webhooks import AttemptView, DeliveryStatus, DeliveryView
from visavis.server.errors import Problem
from visavis.server.gate.access import WebhooksRead, WebhooksWrite
from visavis.server.paging import Cursor, Limit, decode_cursor, encode_cursor, iso, page
from visavis.server.services import Provided, Services
from visavis.storage import webhooks as store
from visavis.storage.tables import AttemptRow, DeliveryRow

router = APIRouter(prefix="/v1", tags=["webhooks"])

DeliveryId = Annotated[Id, Path(description="The id of a delivery: its webhook-id.")]
WebhookId = Annotated[Id, Path(description="The id of a webhook.")]
StatusFilter = Annotated[DeliveryStatus | None, Query(description="Only those.")]
SessionFilter = Annotated[Id | None, Query(description="Only what tells of this session.")]


@router.get("/webhook/{webhook_id}/delivery")
async def of_webhook(
    webhook_id: WebhookId,
    _caller: WebhooksRead,
    services: Provided,
    status: StatusFilter = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[DeliveryView]:
    """A webhook's deliveries with their attempts, newest first."""
    async with services.database.read() as session:
        if await store.find(session, webhook_id) is None:
            raise Problem("webhook_not_found")
    return await _listing(services, limit, cursor, webhook_id, None, status)


@router.get("/delivery")
async def listing(
    _caller: WebhooksRead,
    services: Provided,
    session_id: SessionFilter = None,
    status: StatusFilter = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[DeliveryView]:
    """All deliveries with their attempts, newest first, those to callback URLs too."""
    return await _listing(services, limit, cursor, None, session_id, status)


@router.get("/delivery/{delivery_id}")
async def show(delivery_id: DeliveryId, _caller: WebhooksRead, services: Provided) -> DeliveryView:
    """One delivery with its attempts."""
    async with services.database.read() as session:
        row = await store.delivery(session, delivery_id)
        if row is None:
            raise Problem("delivery_not_found")
        return delivery_view(row, (await store.attempts(session, [row.id]))[row.id])


@router.post("/delivery/{delivery_id}/replay", status_code=201)
async def replay(
    delivery_id: DeliveryId, _caller: WebhooksWrite, services: Provided
) -> DeliveryView:
    """Send the same payload once more, as a new delivery with an id of its own."""
    async with services.database.write() as session:
        row = await store.delivery(session, delivery_id)
        if row is None:
            raise Problem("delivery_not_found")
        url = row.url
        if row.webhook_id is not None:
            webhook = await store.find(session, row.webhook_id)
            if webhook is None:
                raise Problem("webhook_not_found", "The delivery's webhook was deleted.")
            url = webhook.url
        again = store.post(
            session,
            url,
            row.payload,
            webhook_id=row.webhook_id,
            session_id=row.session_id,
            replay_of=row.id,
        )
    services.outbox.wake()
    return delivery_view(again, [])


async def _listing(
    services: Services,
    limit: int,
    cursor: str | None,
    webhook_id: str | None,
    session_id: str | None,
    status: DeliveryStatus | None,
) -> Page[DeliveryView]:
    before = decode_cursor(cursor) if cursor is not None else None
    async with services.database.read() as session:
        rows = await store.deliveries(
            session,
            limit + 1,
            before,
            webhook_id=webhook_id,
            session_id=session_id,
            status=status,
        )
        attempts = await store.attempts(session, [row.id for row in rows])
    cursors = [encode_cursor(row.created_at, row.id) for row in rows]
    return page([delivery_view(row, attempts[row.id]) for row in rows], limit, cursors)


def delivery_view(row: DeliveryRow, attempts: Sequence[AttemptRow]) -> DeliveryView:
    """A delivery as it is answered."""
    return DeliveryView(
        id=row.id,
        webhook_id=row.webhook_id,
        session_id=row.session_id,
        url=row.url,
        event_type=row.event_type,
        payload=row.payload,
        status=cast(DeliveryStatus, row.status),
        created_at=iso(row.created_at),
        next_attempt_at=None if row.next_attempt_at is None else iso(row.next_attempt_at),
        replay_of=row.replay_of,
        attempts=[
            AttemptView(
                number=one.number,
                at=iso(one.at_ms),
                took_ms=one.took_ms,
                status_code=one.status_code,
                error=one.error,
            )
            for one in attempts
        ],
    )
