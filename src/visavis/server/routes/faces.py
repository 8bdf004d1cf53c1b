"""The files of a face, for browsers that draw it themselves; docs/client-rendering.md."""

import hashlib
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse

from visavis.avatar import files
from visavis.avatar.rig import find
from visavis.server.errors import Problem

router = APIRouter(prefix="/avatars", tags=["avatars"])


def _as(media_type: str) -> dict[int | str, dict[str, Any]]:
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"content": content}}


_JSON: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": "object"}}}}
}
_KEPT = {"Cache-Control": "public, max-age=3600", "Access-Control-Allow-Origin": "*"}


@router.get("/face.json", response_class=Response, responses=_JSON)
def mesh(request: Request) -> Response:
    """The mesh that all faces share."""
    return _answer(request, files.mesh_json(), "application/json")


@router.get("/face-deltas.f16", response_class=Response, responses=_as("application/octet-stream"))
def deltas(request: Request) -> Response:
    """How the mesh moves, for rigs that have no table of their own."""
    return _answer(request, files.deltas_f16(), "application/octet-stream")


@router.get("/{character_id}/rig.avatar", response_class=Response, responses=_as("application/zip"))
def rig(
    character_id: Annotated[str, Path(pattern=r"^[a-z0-9_-]{1,64}$")], request: Request
) -> Response:
    """The file of a character that visavis comes with. (Reads a file: runs in a thread.)"""
    try:
        return rig_response(request, find(character_id))
    except (OSError, KeyError):
        raise Problem("character_not_found") from None


def rig_response(request: Request, file: FilePath) -> Response:
    """A rig's file, or 304 where the client has it. Raises ``OSError``. Blocks.

    Who may have it is the caller's to decide: faces made here belong to somebody.
    """
    stat = file.stat()
    tag = _tag_of(file, stat.st_mtime_ns)
    if _has(request, tag):
        return Response(status_code=304, headers=_KEPT | {"ETag": tag})
    return FileResponse(file, headers=_KEPT | {"ETag": tag}, media_type="application/zip")


def _answer(request: Request, data: bytes, media_type: str) -> Response:
    headers = _KEPT | {"ETag": _quoted(data)}
    if _has(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=media_type)


def _has(request: Request, tag: str) -> bool:
    given = (one.strip().removeprefix("W/") for one in request.headers.getlist("if-none-match"))
    return any(tag in one for one in given)


@lru_cache(maxsize=64)
def _tag_of(file: FilePath, changed_ns: int) -> str:
    return _quoted(file.read_bytes())


def _quoted(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'
