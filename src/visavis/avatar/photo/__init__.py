"""A face from one photo, made on this machine: see docs/photo-avatars.md."""

from visavis.avatar.photo.make import make_rig
from visavis.avatar.photo.preview import preview, preview_clip
from visavis.avatar.photo.reasons import PhotoRefused, Reason

__all__ = ["PhotoRefused", "Reason", "make_rig", "preview", "preview_clip"]
