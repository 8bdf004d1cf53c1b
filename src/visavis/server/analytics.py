"""Analytics over REST, and metrics for Prometheus."""

from fastapi import APIRouter

router = APIRouter(prefix="/v1", tags=["analytics"])
