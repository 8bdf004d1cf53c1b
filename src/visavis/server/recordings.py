"""The recording of a session, and deleting what was kept."""

from fastapi import APIRouter

router = APIRouter(prefix="/v1", tags=["sessions"])
