"""Starting a session: ``POST /v1/start-agent-session``."""

from pathlib import Path

from fastapi import APIRouter, Request

from visavis.agents.schema import Agent
from visavis.api.start import StartRequest, StartResponse
from visavis.server.errors import Problem
from visavis.server.gate.access import bearer, identify
from visavis.server.gate.origins import admit_start
from visavis.server.paging import iso
from visavis.server.routes import agent_lookup, choices, client_avatar
from visavis.server.routes.agent_changes import refuse_inner
from visavis.server.services import Provided, Services, public_url
from visavis.sessions.live import StartOptions
from visavis.storage import tools as tool_store
from visavis.storage.blobs import BlobsError

router = APIRouter(prefix="/v1", tags=["sessions"])


@router.post("/start-agent-session")
async def start(body: StartRequest, request: Request, services: Provided) -> StartResponse:
    """Reserve a session. Nothing runs, and nothing is billed, until someone joins its room.

    No key is needed, the agent's id is enough; only a draft asks for a key that may hold sessions.
    """
    agent = await agent_lookup.agent(services, body.agentId)
    await _admit(agent, request, services)
    origin = await admit_start(request, services, agent)
    refuse_inner(services, "callback_url", body.callback_url)
    choices.check(agent.configuration, services.settings)  # what was here may be gone
    async with services.database.read() as session:
        await choices.check_faces(session, agent.configuration)
    if starting := services.starting:
        raise Problem("starting", starting, retry_s=3)
    reservation = await services.sessions.reserve(agent, await _options(body, agent, services))
    base = public_url(request, services.settings)
    render = client_avatar.where(agent.configuration.video, body.video_render)
    return StartResponse(
        roomUrl=f"{base}/rooms/{reservation.session_id}",
        dailyToken=services.tokens.issue(reservation.session_id, reservation.join_by_ms, origin),
        webLink=f"{base}/meet/{agent.id}",
        sessionId=reservation.session_id,
        expiresAt=iso(reservation.join_by_ms),
        iceServers=services.settings.ice_servers,
        avatar=client_avatar.files(base, agent.configuration.video) if render != "server" else None,
    )


async def _admit(agent: Agent, request: Request, services: Services) -> None:
    """Who may start this agent here. Raises ``Problem``."""
    if agent.publish_status == "draft" and bearer(request) is not None:
        await identify(request, services, "sessions:write")  # a preview, by its maker
    else:
        agent_lookup.require_published(agent)


async def _options(body: StartRequest, agent: Agent, services: Services) -> StartOptions:
    """What this session gets beyond its agent: the request's wishes, and the agent's tools."""
    wanted = agent.configuration.tool_calling.selected_tool_ids
    async with services.database.read() as session:
        tools = await tool_store.definitions(session, services.vault, wanted)
    video = agent.configuration.video
    background = video.background
    ours = video.provider == "puppet"  # another backend has characters of its own
    character_id = video.character_id if ours else video.fallback_character_id
    return StartOptions(
        rig_file=await _rig_file(services, character_id),
        background_file=await services.backdrops.file(background.image_url)
        if background.kind == "image" and background.image_url
        else None,
        tools=tuple(tools),
        metadata=body.metadata,
        context=body.context,
        callback_url=body.callback_url,
        recording_consent=body.recording_consent,
        video_render=client_avatar.where(agent.configuration.video, body.video_render),
    )


async def _rig_file(services: Services, character_id: str) -> Path | None:
    """The file of a face made here; None for one that visavis comes with."""
    if not choices.made_here(character_id):
        return None
    try:
        return await services.avatars.rig_file(character_id)
    except BlobsError:
        raise Problem("storage_unavailable", "The face cannot be read.", retry_s=5) from None
