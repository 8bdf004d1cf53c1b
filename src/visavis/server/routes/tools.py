"""Tools over REST."""

import asyncio
import uuid
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.fields import NO_NUL, Id
from visavis.agents.tools import Label, ToolDefinition
from visavis.api.page import Page
from visavis.api.tools import ToolCreate, ToolPatch, ToolTest, ToolTested, ToolView
from visavis.server.errors import Problem
from visavis.server.gate.access import ToolsRead, ToolsWrite
from visavis.server.paging import Cursor, Limit, decode_cursor, encode_cursor, iso, page
from visavis.server.routes import tool_changes as changes
from visavis.server.routes.tool_trial import trial
from visavis.server.services import Provided, Services
from visavis.sessions.live import now_ms
from visavis.storage import audit
from visavis.storage import tools as store
from visavis.storage.tables import ToolRow
from visavis.storage.vault import VaultError

router = APIRouter(prefix="/v1", tags=["tools"])

MAX_USERS_SHOWN = 20

ToolId = Annotated[Id, Path(description="A tool's id.")]
_NameFilter = Annotated[
    str | None, Query(max_length=64, pattern=NO_NUL, description="Only tools of this name.")
]
_TagFilter = Annotated[Label | None, Query(description="Only tools with this tag.")]
_Force = Annotated[bool, Query(description="Delete although agents select it.")]


@router.post("/tool", status_code=201)
async def create_tool(body: ToolCreate, services: Provided, caller: ToolsWrite) -> ToolView:
    """Create a tool that agents can select."""
    tool = await asyncio.to_thread(changes.created, str(uuid.uuid4()), body, services.http)
    row = store.row_of(tool, services.vault, now_ms())
    async with services.database.write() as session:
        session.add(row)
        await audit.record(session, caller.actor, "tool.created", row.id)
    return view(row)


@router.get("/tool")
async def list_tools(
    services: Provided,
    caller: ToolsRead,
    limit: Limit = 20,
    cursor: Cursor = None,
    name: _NameFilter = None,
    tag: _TagFilter = None,
) -> Page[ToolView]:
    """Tools, newest first."""
    before = decode_cursor(cursor) if cursor else None
    async with services.database.read() as session:
        rows = await store.listing(session, limit + 1, before, name=name, tag=tag)
    cursors = [encode_cursor(row.created_at, row.id) for row in rows]
    return page([view(row) for row in rows], limit, cursors)


@router.get("/tool/{tool_id}")
async def get_tool(tool_id: ToolId, services: Provided, caller: ToolsRead) -> ToolView:
    """A tool, without its secrets."""
    async with services.database.read() as session:
        return view(_there(await store.find(session, tool_id)))


@router.patch("/tool/{tool_id}")
async def patch_tool(
    tool_id: ToolId, body: ToolPatch, services: Provided, caller: ToolsWrite
) -> ToolView:
    """Change a tool. Running sessions keep it as it was when they started."""
    async with services.database.write() as session:
        row = _there(await store.find_for_change(session, tool_id))
        before = _opened(row, services)
        tool = await asyncio.to_thread(changes.patched, before, body, services.http)
        store.put(row, tool, services.vault, now_ms())
        await audit.record(session, caller.actor, "tool.changed", tool_id)
    return view(row)


@router.delete("/tool/{tool_id}", status_code=204)
async def delete_tool(
    tool_id: ToolId, services: Provided, caller: ToolsWrite, force: _Force = False
) -> Response:
    """Delete a tool. Where agents select it, 409 names them; ``force`` deletes it all the same."""
    async with services.database.write() as session:
        row = _there(await store.find_for_change(session, tool_id))
        if not force:
            await _refuse_in_use(session, tool_id)
        await session.delete(row)
        await audit.record(session, caller.actor, "tool.deleted", tool_id)
    return Response(status_code=204)


@router.post("/tool/{tool_id}/test", response_model_exclude_unset=True)
async def test_tool(
    tool_id: ToolId, body: ToolTest, services: Provided, caller: ToolsWrite
) -> ToolTested:
    """Check parameters and, unless ``validate_only``, call the tool with them for real.

    Of an MCP server the tools are listed; a client tool's parameters are only checked.
    """
    async with services.database.write() as session:
        tool = _opened(_there(await store.find(session, tool_id)), services)
        await audit.record(session, caller.actor, "tool.tested", tool_id)
    return await trial(tool, body, services.http)


def view(row: ToolRow) -> ToolView:
    """The tool as answers show it."""
    return ToolView(
        id=row.id,
        name=row.name,
        kind=row.kind,  # pyright: ignore[reportArgumentType]
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
        **row.definition,
    )


def _there(row: ToolRow | None) -> ToolRow:
    if row is None:
        raise Problem("tool_not_found")
    return row


def _opened(row: ToolRow, services: Services) -> ToolDefinition:
    try:
        return store.definition_of(row, services.vault)
    except VaultError:
        raise Problem(
            "tool_sealed", "Its secrets were sealed with another secret of this server's."
        ) from None


async def _refuse_in_use(session: AsyncSession, tool_id: str) -> None:
    users = await store.users_of(session, tool_id, now_ms(), MAX_USERS_SHOWN)
    if users:
        problem = Problem("tool_in_use", "Take it out of these agents first, or use force=true.")
        problem.members["agents"] = [{"id": agent.id, "name": agent.name} for agent in users]
        raise problem
