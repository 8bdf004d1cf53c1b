"""A session's event log, live: Server-Sent Events."""

from fastapi import APIRouter

router = APIRouter(prefix="/v1", tags=["sessions"])
