"""Agents over REST: permanent ones with their versions, and single-use ones."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.costs import with_house_rates
from visavis.agents.fields import NO_NUL
from visavis.agents.importers import import_agent
from visavis.agents.schema import Agent, AgentConfiguration, PublishStatus
from visavis.api.agents import (
    AgentCreate,
    AgentDuplicate,
    AgentImport,
    AgentImported,
    AgentPatch,
    AgentRollback,
    AgentView,
    Choices,
    EphemeralAgent,
    EphemeralCreate,
    EphemeralCreated,
    NotCarried,
    VersionSummary,
    VersionView,
)
from visavis.api.page import Page
from visavis.server import agent_changes as changes
from visavis.server import agent_lookup as lookup
from visavis.server.access import AgentsRead, AgentsWrite
from visavis.server.agent_lookup import AgentId
from visavis.server.choices import choices
from visavis.server.errors import Problem
from visavis.server.paging import Cursor, Limit, decode_cursor, encode_cursor, iso, page
from visavis.server.services import Provided
from visavis.sessions.live import now_ms
from visavis.settings import Settings
from visavis.storage import agents as store
from visavis.storage import audit
from visavis.storage.tables import AgentRow, AgentVersionRow

router = APIRouter(prefix="/v1", tags=["agents"])

_NameFilter = Annotated[
    str | None, Query(max_length=200, pattern=NO_NUL, description="Only agents of this name.")
]
_Version = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/providers")
async def list_choices(services: Provided, caller: AgentsRead) -> Choices:
    """What an agent here can be made of: providers, models, voices, characters, languages."""
    return choices(services.settings)


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
        row = await _editable(session, agent_id)
        after = changes.patched(store.agent_of(row), body)
        await changes.change(services, session, caller, row, after)
    return view(row, services.settings)


@router.delete("/agent/{agent_id}", status_code=204)
async def delete_agent(agent_id: AgentId, services: Provided, caller: AgentsWrite) -> Response:
    """Delete an agent and its versions. Its sessions, running ones too, are not touched."""
    async with services.database.write() as session:
        row = await lookup.find_for_change(session, agent_id)
        await store.remove(session, row)
        await audit.record(session, caller.actor, "agent.deleted", agent_id)
    return Response(status_code=204)


@router.post("/agent/{agent_id}/duplicate", status_code=201)
async def duplicate_agent(
    agent_id: AgentId, body: AgentDuplicate, services: Provided, caller: AgentsWrite
) -> AgentView:
    """Make a permanent copy, as a draft; ``demo`` can be copied, too."""
    async with services.database.write() as session:
        original = store.agent_of(await lookup.find(session, agent_id))
        copy = original.model_copy(
            update={
                "id": store.new_id(),
                "name": body.name or f"{original.name[:190]} (copy)",
                "kind": "permanent",
                "publish_status": "draft",
                "version": 1,
            }
        )
        note = f"copied from {original.id}"
        row = await changes.create(services, session, caller, copy, note)
    return view(row, services.settings)


@router.post("/agent/{agent_id}/rollback")
async def roll_back_agent(
    agent_id: AgentId, body: AgentRollback, services: Provided, caller: AgentsWrite
) -> AgentView:
    """Make the agent what it was, as a new version. Its publish status stays as it is now."""
    async with services.database.write() as session:
        row = await _editable(session, agent_id)
        then = _version_or_problem(await store.version(session, agent_id, body.version))
        update: dict[str, Any] = {
            "name": then.name,
            "configuration": AgentConfiguration.model_validate(then.configuration),
            "metadata": then.meta,
        }
        agent = store.agent_of(row).model_copy(update=update)
        note = f"rolled back to version {body.version}"
        await changes.change(services, session, caller, row, agent, note)
    return view(row, services.settings)


@router.get("/agent/{agent_id}/version")
async def list_versions(
    agent_id: AgentId,
    services: Provided,
    caller: AgentsRead,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[VersionSummary]:
    """An agent's versions, newest first; the first of them is the agent as it is."""
    before = _version_before(cursor)
    async with services.database.read() as session:
        row = await lookup.find(session, agent_id)
        rows = await store.versions(session, agent_id, limit + 1, before)
        if not rows and before is None:
            rows = [store.version_of(row, "")]
    items = [VersionSummary(**_summary(row)) for row in rows]
    return page(items, limit, [encode_cursor(row.created_at, str(row.version)) for row in rows])


@router.get("/agent/{agent_id}/version/{version}")
async def get_version(
    agent_id: AgentId, version: _Version, services: Provided, caller: AgentsRead
) -> VersionView:
    """An agent as it was, exactly as it is stored."""
    async with services.database.read() as session:
        row = await lookup.find(session, agent_id)
        found = await store.version(session, agent_id, version)
    if found is None and version == row.version:  # the built-in agent has no stored versions
        found = store.version_of(row, "")
    found = _version_or_problem(found)
    configuration = AgentConfiguration.model_validate(found.configuration)
    return VersionView(**_summary(found), configuration=configuration, metadata=found.meta)


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


@router.post("/ephemeral-agent", status_code=201)
async def create_ephemeral_agent(
    body: EphemeralCreate, services: Provided, caller: AgentsWrite
) -> EphemeralCreated:
    """Create an agent for one session, to be started within ``ttl_seconds``; then it is gone."""
    agent = Agent(
        id=store.new_id(),
        name="Single-use agent",
        kind="ephemeral",
        publish_status="private",
        configuration=body.configuration,
        metadata=body.metadata,
    )
    now = now_ms()
    async with services.database.write() as session:
        agent = await changes.checked(services, session, agent)
        row = await store.create_single_use(session, agent, now, now + body.ttl_seconds * 1000)
        await audit.record(session, caller.actor, "agent.created", agent.id)
    return EphemeralCreated(
        agent=EphemeralAgent(
            id=row.id, expires_at=iso(row.expires_at or now), created_at=iso(row.created_at)
        )
    )


def view(row: AgentRow, settings: Settings) -> AgentView:
    """The agent as callers see it."""
    agent = store.agent_of(row)
    return AgentView(
        id=agent.id,
        name=agent.name,
        publish_status=agent.publish_status,
        kind=agent.kind,
        configuration=with_house_rates(agent.configuration, settings),
        metadata=agent.metadata,
        version=agent.version,
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
        expires_at=None if row.expires_at is None else iso(row.expires_at),
    )


async def _editable(session: AsyncSession, agent_id: str) -> AgentRow:
    row = await lookup.find_for_change(session, agent_id)
    if row.kind == "ephemeral":
        raise Problem("agent_single_use", "Make a new one instead: POST /v1/ephemeral-agent.")
    return row


def _summary(row: AgentVersionRow) -> dict[str, Any]:
    return {
        "version": row.version,
        "created_at": iso(row.created_at),
        "note": row.note,
        "name": row.name,
        "publish_status": row.publish_status,
    }


def _version_before(cursor: str | None) -> int | None:
    """The version that a cursor points behind. Raises ``Problem``."""
    if cursor is None:
        return None
    _, version = decode_cursor(cursor)
    if version.isdecimal() and len(version) < 10:
        return int(version)
    problem = Problem("invalid_request", "This is no cursor of ours.")
    problem.members["field"] = "cursor"
    raise problem


def _version_or_problem(row: AgentVersionRow | None) -> AgentVersionRow:
    if row is None:
        raise Problem("version_not_found")
    return row
