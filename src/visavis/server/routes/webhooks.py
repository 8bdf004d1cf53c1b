"""Webhooks over REST: receivers and their secrets."""

import time
import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Response
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.fields import Id
from visavis.api.page import ACCOUNT_ID, Page
from visavis.api.webhooks import (
    DeliveryView,
    WebhookCreate,
    WebhookCreated,
    WebhookPatch,
    WebhookSecret,
    WebhookView,
)
from visavis.jobs.payloads import message
from visavis.jobs.signing import Secrets
from visavis.net.client import OutgoingError
from visavis.server.errors import Problem
from visavis.server.gate.access import WebhooksRead, WebhooksWrite
from visavis.server.paging import Cursor, Limit, decode_cursor, encode_cursor, iso, page
from visavis.server.routes.deliveries import delivery_view
from visavis.server.services import Provided, Services
from visavis.storage import audit
from visavis.storage import webhooks as store
from visavis.storage.tables import WebhookRow

router = APIRouter(prefix="/v1/webhook", tags=["webhooks"])

TEST_EVENT = "webhook.test"
MAX_WEBHOOKS = 100
"""Every event may go to each of them."""

WebhookId = Annotated[Id, Path(description="The id of a webhook.")]


@router.post("", status_code=201)
async def create(body: WebhookCreate, caller: WebhooksWrite, services: Provided) -> WebhookCreated:
    """Have events sent to a URL, one of at most 100. The signing secret is answered this once."""
    _check_url(services, body.url)
    secrets, now_ms = Secrets.new(), _now_ms()
    row = WebhookRow(
        id=str(uuid.uuid4()),
        url=body.url,
        description=body.description,
        events=list(dict.fromkeys(body.events)),
        sealed=secrets.seal(services.vault),
        enabled=body.enabled,
        created_at=now_ms,
        updated_at=now_ms,
    )
    async with services.database.write() as session:
        if await store.count(session) >= MAX_WEBHOOKS:
            raise Problem("webhook_limit", f"There can be {MAX_WEBHOOKS}; delete one first.")
        session.add(row)
        await audit.record(session, caller.actor, "webhook.created", row.id)
    return WebhookCreated(**_view(row).model_dump(), secret=secrets.current)


@router.get("")
async def listing(
    _caller: WebhooksRead, services: Provided, limit: Limit = 20, cursor: Cursor = None
) -> Page[WebhookView]:
    """All webhooks, newest first."""
    before = decode_cursor(cursor) if cursor is not None else None
    async with services.database.read() as session:
        rows = await store.listing(session, limit + 1, before)
    cursors = [encode_cursor(row.created_at, row.id) for row in rows]
    return page([_view(row) for row in rows], limit, cursors)


@router.get("/callback-secret")
async def callback_secret(_caller: WebhooksWrite, services: Provided) -> WebhookSecret:
    """The secret that signs what agents' own ``callback_url`` get; one for the account."""
    return WebhookSecret(secret=services.callback_secret.current, previous_valid_until=None)


@router.get("/{webhook_id}")
async def show(webhook_id: WebhookId, _caller: WebhooksRead, services: Provided) -> WebhookView:
    """One webhook."""
    async with services.database.read() as session:
        return _view(await _row(session, webhook_id))


@router.patch("/{webhook_id}")
async def change(
    webhook_id: WebhookId, body: WebhookPatch, caller: WebhooksWrite, services: Provided
) -> WebhookView:
    """Change a webhook. What is on its way goes to the new URL; disabling it cancels that."""
    if body.url is not None:
        _check_url(services, body.url)
    async with services.database.write() as session:
        row = await _row(session, webhook_id)
        if body.url is not None:
            row.url = body.url
            await store.redirect_pending(session, row.id, body.url)
        if body.events is not None:
            row.events = list(dict.fromkeys(body.events))
        if body.description is not None:
            row.description = body.description
        if body.enabled is not None:
            row.enabled, row.disabled_reason = body.enabled, None
            if not body.enabled:
                await store.cancel_pending(session, row.id)
        row.updated_at = _now_ms()
        await audit.record(session, caller.actor, "webhook.changed", row.id)
    return _view(row)


@router.delete("/{webhook_id}", status_code=204)
async def delete(webhook_id: WebhookId, caller: WebhooksWrite, services: Provided) -> Response:
    """Delete a webhook; what is on its way is cancelled, the delivery log stays."""
    async with services.database.write() as session:
        row = await _row(session, webhook_id)
        await store.cancel_pending(session, row.id)
        await session.delete(row)
        await audit.record(session, caller.actor, "webhook.deleted", webhook_id)
    return Response(status_code=204)


@router.post("/{webhook_id}/rotate-secret")
async def rotate_secret(
    webhook_id: WebhookId, caller: WebhooksWrite, services: Provided
) -> WebhookSecret:
    """Make a new secret, answered this once. For 24 hours the old one signs beside it."""
    async with services.database.write() as session:
        row = await _row(session, webhook_id)
        secrets = Secrets.unseal(services.vault, row.sealed).rotated(_now_ms())
        row.sealed = secrets.seal(services.vault)
        row.updated_at = _now_ms()
        await audit.record(session, caller.actor, "webhook.secret_rotated", row.id)
    return WebhookSecret(
        secret=secrets.current, previous_valid_until=iso(secrets.previous_until_ms)
    )


@router.post("/{webhook_id}/test", status_code=201)
async def test(webhook_id: WebhookId, _caller: WebhooksWrite, services: Provided) -> DeliveryView:
    """Send a ``webhook.test`` event, whatever the webhook listens to. Look at the delivery."""
    async with services.database.write() as session:
        row = await _row(session, webhook_id)
        payload = message(TEST_EVENT, _now_ms(), {"webhook_id": row.id})
        sent = store.post(session, row.url, payload, webhook_id=row.id, session_id=None)
    services.outbox.wake()
    return delivery_view(sent, [])


async def _row(session: AsyncSession, webhook_id: str) -> WebhookRow:
    row = await store.find(session, webhook_id)
    if row is None:
        raise Problem("webhook_not_found")
    return row


def _check_url(services: Services, url: str) -> None:
    try:
        services.http.check(url)
    except OutgoingError as error:
        problem = Problem("outgoing_refused", error.message)
        problem.members["field"] = "url"
        raise problem from None


def _view(row: WebhookRow) -> WebhookView:
    return WebhookView(
        id=row.id,
        user_id=ACCOUNT_ID,
        url=row.url,
        events=row.events,
        description=row.description,
        enabled=row.enabled,
        disabled_reason=row.disabled_reason,
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
