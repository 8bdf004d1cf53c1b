"""What an agent was: its versions, and the way back to one."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from visavis.agents.schema import AgentConfiguration
from visavis.api.agents import AgentRollback, AgentView, VersionSummary, VersionView
from visavis.api.page import Page
from visavis.server.errors import Problem
from visavis.server.gate.access import AgentsRead, AgentsWrite
from visavis.server.paging import Cursor, Limit, decode_cursor, encode_cursor, page
from visavis.server.routes import agent_changes as changes
from visavis.server.routes import agent_lookup as lookup
from visavis.server.routes.agent_lookup import AgentId
from visavis.server.routes.agent_views import version_summary, version_view, view
from visavis.server.services import Provided
from visavis.storage import agents as store
from visavis.storage.tables import AgentVersionRow

router = APIRouter(prefix="/v1", tags=["agents"])

_Version = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.post("/agent/{agent_id}/rollback")
async def roll_back_agent(
    agent_id: AgentId, body: AgentRollback, services: Provided, caller: AgentsWrite
) -> AgentView:
    """Make the agent what it was, as a new version. Its publish status stays as it is now."""
    async with services.database.write() as session:
        row = await lookup.find_for_edit(session, agent_id)
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
    items = [version_summary(row) for row in rows]
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
    return version_view(_version_or_problem(found))


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
