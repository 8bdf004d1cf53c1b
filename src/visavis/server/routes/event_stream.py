"""A session's event log: as a list, or live as Server-Sent Events."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from visavis.api.sessions import EventPage
from visavis.events import EventRecord, ToolCallFinished, ToolCallStarted
from visavis.server.errors import Problem
from visavis.server.gate.access import Caller, check_owner, check_room_token
from visavis.server.routes.sessions import SessionId, found
from visavis.server.services import Provided, Services
from visavis.storage import session_lists as lists
from visavis.storage import sessions as store

HEARTBEAT_S = 15.0
PAGE = 200
"""Events in memory for one reader, however slow it is."""
MAX_SEQ = 2**31 - 1

router = APIRouter(prefix="/v1", tags=["sessions"])


@router.get(
    "/session/{session_id}/events",
    response_model=EventPage,
    responses={200: {"content": {"text/event-stream": {}}}, 204: {"description": "No more."}},
)
async def events(
    session_id: SessionId,
    request: Request,
    services: Provided,
    format: Annotated[
        Literal["sse", "json"], Query(description='"json": those so far, as a list.')
    ] = "sse",
    after: Annotated[
        int, Query(ge=-1, le=MAX_SEQ, description="Only events behind this ``seq``.")
    ] = -1,
    limit: Annotated[int, Query(ge=1, le=1000, description='How many, as "json".')] = 1000,
    token: Annotated[
        str | None,
        Query(max_length=4000, description="The room token, for EventSource in browsers."),
    ] = None,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """The session's event log from its beginning, then live until it ends.

    ``Last-Event-ID`` (or ``after``) resumes; 204 tells a browser that there is nothing left to
    come back for. Needs ``sessions:read`` or the room token, which is not shown what tools were
    told and answered.
    """
    caller = await _caller(services, session_id, request, token)
    row = await found(services, session_id)
    if format == "json":
        return await _list(services, session_id, after, limit, caller)
    if re.fullmatch(r"[0-9]{1,9}", last_event_id):
        after = max(after, int(last_event_id))
    if row.ended_at is not None and not await _page(services, session_id, after, 1):
        return Response(status_code=204)
    if not services.bells.has_room(session_id):
        raise Problem("rate_limited", "Too many read this session live.", retry_s=10)
    return StreamingResponse(
        _stream(services, session_id, after, caller),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _caller(
    services: Services, session_id: str, request: Request, token: str | None
) -> Caller:
    if token is None:
        return await check_owner(services, session_id, request, "sessions:read")
    origin = request.headers.get("origin")
    check_room_token(services, session_id, token, joining=False, origin=origin)
    return Caller("room", f"room:{session_id}")


async def _list(
    services: Services, session_id: str, after: int, limit: int, caller: Caller
) -> JSONResponse:
    records = await _page(services, session_id, after, limit)
    more = len(records) == limit
    page = EventPage(
        data=[_shown(record, caller) for record in records],
        next_after=records[-1].seq if more else None,
    )
    return JSONResponse(page.model_dump(mode="json"))


async def _page(services: Services, session_id: str, after: int, limit: int) -> list[EventRecord]:
    async with services.database.read() as session:
        return await lists.events_after(session, session_id, after, limit)


async def _stream(
    services: Services, session_id: str, after: int, caller: Caller
) -> AsyncIterator[str]:
    """Everything in order, from the database: a bell only says that it is worth looking."""
    with services.bells.listening(session_id) as bell:
        yield "retry: 2000\n\n"
        while True:
            bell.clear()
            async with services.database.read() as session:
                row = await store.find(session, session_id)
                records = await lists.events_after(session, session_id, after, PAGE)
            for record in records:
                yield _frame(_shown(record, caller))
                after = record.seq
            if len(records) == PAGE:
                continue
            if row is None or row.ended_at is not None or services.bells.closed:
                return
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await bell.wait()
            except TimeoutError:
                yield ": still here\n\n"


def _frame(record: EventRecord) -> str:
    return f"id: {record.seq}\nevent: {record.event.type}\ndata: {record.model_dump_json()}\n\n"


def _shown(record: EventRecord, caller: Caller) -> EventRecord:
    """What passes between agent and tools is not the user's business."""
    event = record.event
    if caller.kind != "room":
        return record
    if isinstance(event, ToolCallStarted):
        return record.model_copy(update={"event": replace(event, arguments="")})
    if isinstance(event, ToolCallFinished):
        return record.model_copy(update={"event": replace(event, result="")})
    return record
