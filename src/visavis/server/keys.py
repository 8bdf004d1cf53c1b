"""API keys over REST."""

from fastapi import APIRouter

router = APIRouter(prefix="/v1", tags=["keys"])
