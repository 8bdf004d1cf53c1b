"""The hosted page, what it asks for, and the files it is made of."""

from importlib.resources import files
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.types import Scope

from visavis.agents.demo import find_agent
from visavis.avatar.rig import portrait
from visavis.server.errors import Problem
from visavis.server.services import Provided
from visavis.server.start import agent_or_problem

WEB = FilePath(str(files("visavis") / "web"))

PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter()


class MeetView(BaseModel):
    """What the page shows before anyone speaks."""

    agentId: str
    name: str
    language: str
    portraitUrl: str
    available: bool


@router.get("/", include_in_schema=False)
async def home() -> RedirectResponse:
    return RedirectResponse("/meet/demo", headers={"Cache-Control": "no-store"})


@router.api_route("/meet/{agent_id}", methods=["GET", "HEAD"], include_in_schema=False)
async def page(agent_id: str) -> FileResponse:
    """The page itself; it learns about its agent from ``/v1/meet/{agent_id}``.

    For an unknown agent too: the page then says so in words that a visitor understands.
    """
    status = 200 if find_agent(agent_id) else 404
    meet = WEB / "meet.html"
    if not meet.is_file():
        raise Problem("web_not_built", "Run: make web")
    return FileResponse(meet, status, PAGE_HEADERS, media_type="text/html; charset=utf-8")


@router.get("/v1/meet/{agent_id}")
async def view(agent_id: str, services: Provided) -> MeetView:
    agent = agent_or_problem(agent_id)
    return MeetView(
        agentId=agent.id,
        name=agent.name,
        language=agent.configuration.language,
        portraitUrl=f"/avatars/{agent.configuration.video.character_id}/portrait.webp",
        available=services.ready,
    )


@router.get("/avatars/{character_id}/portrait.webp")
def portrait_image(
    character_id: Annotated[str, Path(pattern=r"^[a-z0-9_-]{1,64}$")],
) -> Response:
    """A still of the character's face. (Reads a file: runs in a thread.)"""
    try:
        image = portrait(character_id)
    except (OSError, KeyError):
        raise Problem("character_not_found") from None
    return Response(image, media_type="image/webp", headers={"Cache-Control": "max-age=3600"})


class HashedFiles(StaticFiles):
    """Built assets carry a hash in their names, so they may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
            response.headers["X-Content-Type-Options"] = "nosniff"
        return response
