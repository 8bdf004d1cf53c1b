"""Permanent agents over REST, and what they can be made of."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from visavis.agents.fields import NO_NUL
from visavis.agents.importers import import_agent
from visavis.agents.schema import Agent, PublishStatus
from visavis.api.agents import (
    AgentCreate,
    AgentDuplicate,
    AgentImport,
    AgentImported,
    AgentPatch,
    AgentView,
    Choices,
    NotCarried,
)
from visavis.api.page import Page
from visavis.server.gate.access import AgentsRead, AgentsWrite
from visavis.server.paging import Cursor, Limit, decode_cursor, encode_cursor, page
from visavis.server.routes import agent_changes as changes
from visavis.server.routes import agent_lookup as lookup
from visavis.server.routes.agent_lookup import AgentId
from visavis.server.routes.agent_views import view
from visavis.server.routes.choices import choices
from visavis.server.services import Provided
from visavis.sessions.avatars import MAX_AVATARS
from visavis.storage import agents as store
from visavis.storage import audit, avatars

router = APIRouter(prefix="/v1", tags=["agents"])

_NameFilter = Annotated[
    str | None, Query(max_length=200, pattern=NO_NUL, description="Only agents of this name.")
]


@router.get("/providers")
async def list_choices(services: Provided, caller: AgentsRead) -> Choices:
    """What an agent here can be made of: providers, models, voices, characters, languages."""
    async with services.database.read() as session:
        made = await avatars.listing(session, MAX_AVATARS)
    return choices(services.settings, [row.id for row in made])


@router.post("/agent", status_code=201)
async def create_agent(body: AgentCreate, services: Provided, caller: AgentsWrite) -> AgentView:
    """Create a permanent agent, by default a draft that visitors cannot call yet."""
    agent = Agent(id=store.new_id(), **dict(body))
    async with services.database.write() as session:
        row = await changes.create(services, session, caller, agent, "created")
    return view(row, services.settings)


@router.get("/agent")
async def list_agents(
    services: Provided,
    caller: AgentsRead,
    limit: Limit = 20,
    cursor: Cursor = None,
    name: _NameFilter = None,
    publish_status: PublishStatus | None = None,
) -> Page[AgentView]:
    """Permanent agents, newest first; neither single-use ones nor the built-in ``demo``."""
    before = decode_cursor(cursor) if cursor else None
    async with services.database.read() as session:
        rows = await store.listing(
            session, limit + 1, before, name=name, publish_status=publish_status
        )
    views = [view(row, services.settings) for row in rows]
    return page(views, limit, [encode_cursor(row.created_at, row.id) for row in rows])


@router.get("/agent/{agent_id}")
async def get_agent(agent_id: AgentId, services: Provided, caller: AgentsRead) -> AgentView:
    """An agent, whole. A single-use agent answers 410 once it was used or its time is over."""
    async with services.database.read() as session:
        return view(await lookup.find(session, agent_id), services.settings)


@router.patch("/agent/{agent_id}")
async def patch_agent(
    agent_id: AgentId, body: AgentPatch, services: Provided, caller: AgentsWrite
) -> AgentView:
    """Change an agent by a merge patch; what changes makes a new version, nothing makes none."""
    async with services.database.write() as session:
        row = await lookup.find_for_edit(session, agent_id)
        after = changes.patched(store.agent_of(row), body)
        await changes.change(services, session, caller, row, after)
    return view(row, services.settings)


@router.delete("/agent/{agent_id}", status_code=204)
async def delete_agent(agent_id: AgentId, services: Provided, caller: AgentsWrite) -> Response:
    """Delete an agent and its versions, also a single-use one that was used.

    Its sessions, running ones too, are not touched.
    """
    async with services.database.write() as session:
        row = await lookup.find_for_change(session, agent_id)
        await store.remove(session, row)
        await audit.record(session, caller.actor, "agent.deleted", agent_id)
    return Response(status_code=204)


@router.post("/agent/{agent_id}/duplicate", status_code=201)
async def duplicate_agent(
    agent_id: AgentId,
    services: Provided,
    caller: AgentsWrite,
    body: AgentDuplicate | None = None,
) -> AgentView:
    """Make a permanent copy, as a draft; ``demo`` can be copied, too."""
    async with services.database.write() as session:
        original = store.agent_of(await lookup.find(session, agent_id))
        copy = original.model_copy(
            update={
                "id": store.new_id(),
                "name": (body and body.name) or f"{original.name[:190]} (copy)",
                "kind": "permanent",
                "publish_status": "draft",
                "version": 1,
            }
        )
        note = f"copied from {original.id}"
        row = await changes.create(services, session, caller, copy, note)
    return view(row, services.settings)


@router.post("/agent/import", status_code=201)
async def import_foreign_agent(
    body: AgentImport, services: Provided, caller: AgentsWrite
) -> AgentImported:
    """Make a draft of another vendor's agent, and tell what could not be carried over."""
    imported = import_agent(body.vendor, body.document)
    agent = Agent(
        id=store.new_id(),
        name=imported.document.name,
        configuration=imported.document.configuration,
        publish_status="draft",
        metadata=imported.document.metadata,
    )
    async with services.database.write() as session:
        row = await changes.create(services, session, caller, agent, f"imported from {body.vendor}")
    return AgentImported(
        agent=view(row, services.settings),
        not_carried=[NotCarried(field=lost.field, reason=lost.reason) for lost in imported.lost],
    )
