"""Agents over REST: permanent ones with their versions, and single-use ones."""

from fastapi import APIRouter

router = APIRouter(prefix="/v1", tags=["agents"])
