"""Webhooks over REST: receivers, deliveries, replay."""

from fastapi import APIRouter

router = APIRouter(prefix="/v1", tags=["webhooks"])
