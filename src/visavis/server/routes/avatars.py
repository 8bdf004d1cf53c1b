"""Faces that users bring, over REST: made from a photo, shown, deleted."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, File, Form, Path, Query, Response, UploadFile

from visavis.agents.fields import NO_NUL
from visavis.api.avatars import STATEMENTS, AvatarConsent, AvatarRemark, AvatarView, Subject
from visavis.api.page import Page
from visavis.avatar import rig
from visavis.jobs.avatar_making import MakingBusy, MakingFailed, MakingRefused
from visavis.server.errors import Problem
from visavis.server.gate.access import AvatarsRead, AvatarsWrite
from visavis.server.paging import Cursor, Limit, decode_cursor, encode_cursor, iso, page
from visavis.server.services import Provided
from visavis.sessions.avatars import MAX_AVATARS, TooManyAvatars
from visavis.sessions.live import now_ms
from visavis.storage import avatars as store
from visavis.storage.blobs import BlobsError
from visavis.storage.tables import AvatarRow

log = structlog.stdlib.get_logger("visavis.server")

router = APIRouter(prefix="/v1", tags=["avatars"])

MAX_USERS_SHOWN = 20
_RETRY_S = 5

AvatarId = Annotated[
    str, Path(pattern=r"^[a-z0-9-]{1,64}$", description="An avatar's id, or a character's.")
]
_Name = Annotated[str, Form(min_length=1, max_length=80, pattern=NO_NUL)]
_Photo = Annotated[
    UploadFile, File(description="JPEG, PNG or WebP of one face from the front; or an .avatar.")
]
_Consent = Annotated[Subject, Form(description="Whose face it is: see ``AvatarConsent``.")]
_Statement = Annotated[
    str | None,
    Form(max_length=2000, pattern=NO_NUL, description="In the caller's words; else in ours."),
]
_Force = Annotated[bool, Query(description="Delete although agents have this face.")]
_WEBP: dict[int | str, dict[str, Any]] = {200: {"content": {"image/webp": {}}}}
_WEBM: dict[int | str, dict[str, Any]] = {200: {"content": {"video/webm": {}}}}


@router.post("/avatar", status_code=201)
async def create_avatar(
    services: Provided,
    caller: AvatarsWrite,
    file: _Photo,
    name: _Name,
    consent: _Consent,
    statement: _Statement = None,
) -> AvatarView:
    """Make a face from one photo. Takes a few seconds. The file is not kept, but the square
    around the face is part of what is made of it.

    Who may be shown is the caller's to say: ``consent`` is "self", "licensed" (the person agreed)
    or "synthetic", and is kept with the face. 422 ``avatar_refused`` tells in ``reasons`` what is
    wrong with a picture, in plain words.
    """
    attested = rig.Consent(
        subject=consent,
        statement=(statement or "").strip() or STATEMENTS[consent],
        attested_by=caller.actor,
        attested_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with tempfile.NamedTemporaryFile(prefix="visavis-upload-") as upload:
        upload.write(await file.read())
        upload.flush()
        try:
            row = await services.avatars.create(
                FilePath(upload.name), name.strip() or "Avatar", attested, caller.actor
            )
        except MakingRefused as refused:
            problem = Problem("avatar_refused", str(refused))
            problem.members["field"] = "file"
            problem.members["reasons"] = [remark.model_dump() for remark in refused.remarks]
            raise problem from None
        except TooManyAvatars:
            detail = f"There may be {MAX_AVATARS}; delete some first."
            raise Problem("avatar_limit", detail) from None
        except (MakingBusy, MakingFailed, BlobsError) as error:
            raise _trouble(error) from None
    return view(row)


@router.get("/avatar")
async def list_avatars(
    services: Provided, caller: AvatarsRead, limit: Limit = 20, cursor: Cursor = None
) -> Page[AvatarView]:
    """Faces made here, newest first. ``GET /v1/providers`` lists all that agents can have."""
    before = decode_cursor(cursor) if cursor else None
    async with services.database.read() as session:
        rows = await store.listing(session, limit + 1, before)
    cursors = [encode_cursor(row.created_at, row.id) for row in rows]
    return page([view(row) for row in rows], limit, cursors)


@router.get("/avatar/{avatar_id}")
async def get_avatar(avatar_id: AvatarId, services: Provided, caller: AvatarsRead) -> AvatarView:
    """A face, with whose it is and who attested that."""
    async with services.database.read() as session:
        row = await store.find(session, avatar_id)
    return view(row) if row else _built_in(avatar_id)


@router.get("/avatar/{avatar_id}/preview", response_class=Response, responses=_WEBP)
async def preview(avatar_id: AvatarId, services: Provided, caller: AvatarsRead) -> Response:
    """A still of the face."""
    try:
        picture = await services.avatars.preview(avatar_id)
    except BlobsError as error:
        raise _trouble(error) from None
    return _media(picture, "image/webp")


@router.get("/avatar/{avatar_id}/clip", response_class=Response, responses=_WEBM)
async def clip(avatar_id: AvatarId, services: Provided, caller: AvatarsRead) -> Response:
    """The face saying a sentence. Made when first asked for, which takes some seconds."""
    try:
        film = await services.avatars.clip(avatar_id)
    except (MakingBusy, MakingFailed, BlobsError) as error:
        raise _trouble(error) from None
    return _media(film, "video/webm")


@router.delete("/avatar/{avatar_id}", status_code=204)
async def delete_avatar(
    avatar_id: AvatarId, services: Provided, caller: AvatarsWrite, force: _Force = False
) -> None:
    """Remove a face and everything made from it. Where agents have it, 409 names them;
    ``force`` deletes it all the same, and they cannot be started until they get another.
    """
    async with services.database.read() as session:
        row = await store.find(session, avatar_id)
        users = await store.users_of(session, avatar_id, now_ms(), MAX_USERS_SHOWN)
    if row is None:
        _built_in(avatar_id)
        raise Problem("avatar_builtin", "It comes with visavis.")
    if users and not force:
        problem = Problem("avatar_in_use", "Give these agents another face, or use force=true.")
        problem.members["agents"] = [{"id": agent.id, "name": agent.name} for agent in users]
        raise problem
    try:
        await services.avatars.delete(avatar_id, caller.actor)
    except BlobsError as error:
        raise _trouble(error) from None


def view(row: AvatarRow) -> AvatarView:
    """The face as answers show it."""
    return AvatarView(
        id=row.id,
        name=row.name,
        origin=row.origin,  # pyright: ignore[reportArgumentType]
        consent=AvatarConsent(**row.consent),
        warnings=[AvatarRemark(**warning) for warning in row.warnings],
        size_bytes=row.size_bytes,
        created_at=iso(row.created_at),
        preview_url=f"/v1/avatar/{row.id}/preview",
        clip_url=f"/v1/avatar/{row.id}/clip",
    )


def _built_in(character_id: str) -> AvatarView:
    try:
        path = rig.find(character_id)
        manifest = rig.manifest(path)
    except KeyError:
        raise Problem("avatar_not_found") from None
    return AvatarView(
        id=character_id,
        name=manifest.name,
        origin="builtin",
        consent=AvatarConsent(
            subject=manifest.consent.subject,
            statement=manifest.consent.statement,
            attested_by=None,
            attested_at=None,
        ),
        warnings=[],
        size_bytes=path.stat().st_size,
        created_at=iso(0),
        preview_url=f"/v1/avatar/{character_id}/preview",
        clip_url=f"/v1/avatar/{character_id}/clip",
    )


def _media(content: bytes | None, media_type: str) -> Response:
    if content is None:
        raise Problem("avatar_not_found")
    headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=media_type, headers=headers)


def _trouble(error: MakingBusy | MakingFailed | BlobsError) -> Problem:
    if isinstance(error, MakingBusy):
        return Problem("avatar_busy", "Others are being made.", retry_s=_RETRY_S)
    if isinstance(error, BlobsError):
        return Problem("storage_unavailable", retry_s=_RETRY_S)
    log.error("avatar_not_made", error=str(error))
    return Problem("avatar_failed", "It could not be made; the server's log says more.")
