"""What one may tell a running session: say, echo, respond, context, interrupt, update."""

from fastapi import APIRouter

router = APIRouter(prefix="/v1", tags=["sessions"])
