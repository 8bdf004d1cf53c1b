"""The audit over REST."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from visavis.api.keys import AuditEntry
from visavis.api.page import Page
from visavis.server.errors import Auditor, Problem
from visavis.server.gate.access import KeysRead, network
from visavis.server.paging import Cursor, Limit, decode_cursor, encode_cursor, iso, page
from visavis.server.services import Provided, Services
from visavis.storage import audit as store
from visavis.storage.tables import AuditRow

router = APIRouter(prefix="/v1", tags=["keys"])

Action = Annotated[
    str | None,
    Query(
        max_length=64,
        pattern=r"^[a-z_.]+$",
        description="Only entries of this action.",
        examples=["origin.refused"],
    ),
]


@router.get("/audit")
async def listing(
    _caller: KeysRead,
    services: Provided,
    limit: Limit = 20,
    cursor: Cursor = None,
    action: Action = None,
) -> Page[AuditEntry]:
    """Who did, or tried, what, newest first; kept for 90 days.

    Of refusals only a sample is kept: ten a minute of one caller and kind, sixty in all.
    """
    before = decode_cursor(cursor) if cursor is not None else None
    async with services.database.read() as session:
        rows = await store.listing(session, limit + 1, before, action)
    cursors = [encode_cursor(row.at_ms, row.id) for row in rows]
    return page([_view(row) for row in rows], limit, cursors)


def auditor(services: Services) -> Auditor:
    """Hands refusals to the audit, with what the request tells about them."""

    async def audit(request: Request, problem: Problem) -> None:
        subject = str(next(iter(request.path_params.values()), request.url.path))
        address = network(request, services.settings)
        origin = request.headers.get("origin", "")
        await services.audit.refused(problem, address, subject, origin)

    return audit


def _view(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        at=iso(row.at_ms),
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        detail=row.detail,
    )
