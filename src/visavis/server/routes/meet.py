"""The hosted page, what it asks for, and the files it is made of."""

from importlib.resources import files
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.types import Scope

from visavis.agents.schema import Agent
from visavis.api.page import Page
from visavis.server.errors import TITLES, Problem
from visavis.server.paging import Cursor, Limit, decode_cursor, encode_cursor
from visavis.server.paging import page as page_of
from visavis.server.routes import agent_lookup
from visavis.server.routes.choices import portrait_url
from visavis.server.services import Provided, Services
from visavis.sessions.recordings import records
from visavis.storage import agents as store
from visavis.storage.blobs import BlobsError

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


class MeetEntry(BaseModel):
    """An agent, as anyone may see it."""

    agentId: str
    name: str
    language: str
    portraitUrl: str


class MeetView(MeetEntry):
    """What the page shows before anyone speaks."""

    available: bool
    recording: bool
    """Whether the page has to ask for consent."""


@router.get("/", include_in_schema=False)
async def home() -> RedirectResponse:
    return RedirectResponse("/meet/demo", headers={"Cache-Control": "no-store"})


@router.api_route("/meet/{agent_id}", methods=["GET", "HEAD"], include_in_schema=False)
async def page(agent_id: str, services: Provided) -> FileResponse:
    """The page itself; it learns about its agent from ``/v1/meet/{agent_id}``.

    For an agent that is not there, or not for visitors, too: the page then says so in words that
    a visitor understands.
    """
    meet = WEB / "meet.html"
    if not meet.is_file():
        raise Problem("web_not_built", "Run: make web")
    try:
        await _visitable(services, agent_id)
        status = 200
    except Problem as problem:
        status, _ = TITLES[problem.code]
    return FileResponse(meet, status, PAGE_HEADERS, media_type="text/html; charset=utf-8")


@router.get("/v1/meet", tags=["agents"])
async def directory(
    services: Provided, limit: Limit = 20, cursor: Cursor = None
) -> Page[MeetEntry]:
    """The public agents, newest first, for everyone to see."""
    before = decode_cursor(cursor) if cursor else None
    async with services.database.read() as session:
        rows = await store.listing(session, limit + 1, before, publish_status="public")
    entries = [_entry(store.agent_of(row)) for row in rows]
    return page_of(entries, limit, [encode_cursor(row.created_at, row.id) for row in rows])


@router.get("/v1/meet/{agent_id}", tags=["agents"])
async def view(agent_id: str, services: Provided) -> MeetView:
    """What a visitor may know of an agent that can be called."""
    agent = await _visitable(services, agent_id)
    return MeetView(
        **_entry(agent).model_dump(),
        available=services.ready,
        recording=records(agent.configuration),
    )


async def _visitable(services: Services, agent_id: str) -> Agent:
    agent = await agent_lookup.agent(services, agent_id)
    agent_lookup.require_published(agent)
    return agent


def _entry(agent: Agent) -> MeetEntry:
    return MeetEntry(
        agentId=agent.id,
        name=agent.name,
        language=agent.configuration.language,
        portraitUrl=portrait_url(agent.configuration.video.character_id),
    )


@router.get(
    "/avatars/{character_id}/portrait.webp",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}},
)
async def portrait_image(
    services: Provided,
    character_id: Annotated[str, Path(pattern=r"^[a-z0-9_-]{1,64}$")],
) -> Response:
    """A still of the character's face."""
    try:
        image = await services.avatars.preview(character_id)
    except BlobsError:
        raise Problem("storage_unavailable", retry_s=5) from None
    if image is None:
        raise Problem("character_not_found")
    return Response(image, media_type="image/webp", headers={"Cache-Control": "max-age=3600"})


class HashedFiles(StaticFiles):
    """Built assets carry a hash in their names, so they may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
            response.headers["X-Content-Type-Options"] = "nosniff"
        return response
