"""Avatars on the wire."""

from typing import Literal

from pydantic import BaseModel, Field

from visavis.api.page import ACCOUNT_ID

Subject = Literal["self", "licensed", "synthetic"]
STATEMENTS: dict[Subject, str] = {
    "self": "I am the person in this picture and agree that it is made to move and speak.",
    "licensed": "The person in this picture agreed that it is made to move and speak for me.",
    "synthetic": "This picture shows no real person.",
}
"""What is kept where nobody gives words of their own."""

Origin = Literal["builtin", "photo", "rig"]


class AvatarConsent(BaseModel):
    """Whose face it is, in whose words, and who said so when."""

    subject: Subject
    statement: str
    attested_by: str | None
    attested_at: str | None


class AvatarRemark(BaseModel):
    """Something that a picture could have done better, or that kept it from becoming a face."""

    code: str
    message: str
    advice: str = ""


class AvatarView(BaseModel):
    """A face: what ``configuration.video.character_id`` of an agent may name."""

    id: str
    user_id: str = ACCOUNT_ID
    name: str
    origin: Origin
    consent: AvatarConsent
    warnings: list[AvatarRemark] = Field(description="What a better photo would mend.")
    size_bytes: int
    created_at: str
    preview_url: str
    clip_url: str
