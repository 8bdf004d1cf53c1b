"""The recording of a session, as its record tells of it; the MP4 itself is fetched."""

from pydantic import BaseModel, Field


class RecordingInfo(BaseModel):
    """``GET /v1/session/{id}/recording`` answers the file."""

    size_bytes: int = Field(examples=[4_194_304])
    duration_ms: int = Field(examples=[61_240])
