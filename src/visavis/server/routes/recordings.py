"""The recording of a session, and deleting what was kept."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from visavis.server.errors import Problem
from visavis.server.gate.access import SessionsWrite
from visavis.server.routes.byte_ranges import Unsatisfiable, asked_range
from visavis.server.routes.sessions import SessionId, owned
from visavis.server.services import Provided, Services
from visavis.storage.blobs import BlobsError

router = APIRouter(prefix="/v1", tags=["sessions"])

_RETRY_S = 5
_MP4: dict[str, Any] = {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": _MP4, "description": "The whole file."},
    206: {"content": _MP4, "description": "The bytes that ``Range`` asked for."},
}

Range = Annotated[
    str | None,
    Header(alias="range", max_length=200, description="Some bytes only.", examples=["bytes=0-99"]),
]
IfRange = Annotated[
    str | None,
    Header(alias="if-range", max_length=200, description="The ETag for which Range was meant."),
]


@dataclass(frozen=True, slots=True)
class _File:
    """A stored recording that is there."""

    key: str
    size: int
    etag: str


@router.get("/session/{session_id}/recording", response_class=Response, responses=_ANSWERS)
async def recording(
    session_id: SessionId,
    request: Request,
    services: Provided,
    wanted: Range = None,
    unchanged: IfRange = None,
) -> Response:
    """Both sides of the call as an MP4 (H.264, AAC), in parts if ``Range`` asks for them.

    404 ``recording_not_found`` where nothing was recorded; 409 ``recording_pending``, with
    ``Retry-After``, while the session runs or its recording is being prepared.
    """
    file = await _find(services, session_id, request)
    span = _span(file, wanted if unchanged in (None, file.etag) else None)
    first, last = span or (0, file.size - 1)
    content = services.blobs.read(file.key, first, last)
    headers = _headers(file, first, last, partial=span is not None)
    status = 200 if span is None else 206
    return StreamingResponse(content, status, headers, media_type="video/mp4")


@router.head("/session/{session_id}/recording", response_class=Response)
async def recording_head(session_id: SessionId, request: Request, services: Provided) -> Response:
    """What ``GET`` would answer, without the file."""
    file = await _find(services, session_id, request)
    headers = _headers(file, 0, file.size - 1, partial=False)
    return Response(None, 200, headers, media_type="video/mp4")


@router.delete("/session/{session_id}", status_code=204)
async def delete(
    session_id: SessionId,
    services: Provided,
    caller: SessionsWrite,
    force: Annotated[bool, Query(description="End the session first if it runs.")] = False,
) -> None:
    """Remove the session for good: events, turns, tool calls, transcript, recording, and what
    webhooks were told about it. Only its id remains, in the audit.
    """
    await services.sessions.flush()
    try:
        found = await services.deletion.delete(session_id, caller.actor, end=force)
    except BlobsError:
        raise Problem("storage_unavailable", "The recording could not be removed.") from None
    if not found:
        raise Problem("session_not_found")


async def _find(services: Services, session_id: str, request: Request) -> _File:
    # Looked at first: what is no longer pending when we look is in the row that we read then.
    pending = await asyncio.to_thread(services.recordings.pending, session_id)
    row = await owned(services, session_id, request)
    if row.recording is None:
        if pending:
            raise Problem("recording_pending", "Ask again in a moment.", retry_s=_RETRY_S)
        raise Problem("recording_not_found")
    key = row.recording["key"]
    try:
        size = await services.blobs.size(key)
    except BlobsError:
        raise Problem("storage_unavailable", retry_s=_RETRY_S) from None
    if not size:
        raise Problem("recording_not_found", "It was removed from where it was stored.")
    return _File(key, size, f'"{session_id}-{size}"')


def _span(file: _File, wanted: str | None) -> tuple[int, int] | None:
    try:
        return asked_range(wanted, file.size)
    except Unsatisfiable:
        problem = Problem("range_unsatisfiable", f"The file has {file.size} bytes.")
        problem.members["size_bytes"] = file.size
        raise problem from None


def _headers(file: _File, first: int, last: int, *, partial: bool) -> dict[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "Content-Length": str(last - first + 1),
        "ETag": file.etag,
        "X-Content-Type-Options": "nosniff",
    }
    if partial:
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
    return headers
