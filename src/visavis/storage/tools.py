"""Tools: rows in, rows out. Secrets lie apart, sealed; the rest of a row can be shown as it is."""

import json
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.tools import REDACTED, NoAuth, ToolDefinition
from visavis.storage.tables import AgentRow, ToolRow
from visavis.storage.vault import Vault, VaultError

_SEALED = {"headers", "auth_config"}
_SHOWN_OF_AUTH = {"type", "username", "header"}

log = structlog.stdlib.get_logger("visavis.storage")


async def find(session: AsyncSession, tool_id: str) -> ToolRow | None:
    return await session.get(ToolRow, tool_id)


async def find_for_change(session: AsyncSession, tool_id: str) -> ToolRow | None:
    """The row, held until the transaction ends, so that changes come one after another."""
    statement = select(ToolRow).where(ToolRow.id == tool_id).with_for_update()
    return (await session.scalars(statement)).one_or_none()


async def listing(
    session: AsyncSession,
    limit: int,
    before: tuple[int, str] | None = None,
    *,
    name: str | None = None,
    tag: str | None = None,
) -> Sequence[ToolRow]:
    """Tools, newest first, from behind the one with this creation time and id."""
    statement = select(ToolRow).order_by(ToolRow.created_at.desc(), ToolRow.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(tuple_(ToolRow.created_at, ToolRow.id) < tuple_(*before))
    if name is not None:
        statement = statement.where(ToolRow.name == name)
    if tag is not None:
        # As text: no way to look into JSON lists is common to all databases. Labels hold no quotes.
        tags = ToolRow.definition["tags"].as_string()
        statement = statement.where(tags.contains(json.dumps(tag), autoescape=True))
    return (await session.scalars(statement)).all()


async def definitions(
    session: AsyncSession, vault: Vault, ids: Sequence[str]
) -> list[ToolDefinition]:
    """These tools, secrets and all, in this order; those that are gone are left out.

    So are those whose secrets cannot be read any more, with a warning in the log.
    """
    if not ids:
        return []
    rows = {row.id: row for row in await session.scalars(_with_ids(ids))}
    found: list[ToolDefinition] = []
    for row in (rows[tool_id] for tool_id in dict.fromkeys(ids) if tool_id in rows):
        try:
            found.append(definition_of(row, vault))
        except VaultError:
            log.warning("tool_secrets_lost", tool_id=row.id)
    return found


async def existing_ids(session: AsyncSession, ids: Sequence[str]) -> set[str]:
    """Which of these tools exist."""
    if not ids:
        return set()
    return {row.id for row in await session.scalars(_with_ids(ids))}


async def users_of(
    session: AsyncSession, tool_id: str, now_ms: int, limit: int
) -> Sequence[AgentRow]:
    """Agents that select this tool and can still be started."""
    selected = AgentRow.configuration["tool_calling"]["selected_tool_ids"].as_string()
    startable = or_(
        AgentRow.kind == "permanent",
        AgentRow.activated_at.is_(None) & (AgentRow.expires_at > now_ms),
    )
    statement = (
        select(AgentRow)
        .where(selected.contains(json.dumps(tool_id), autoescape=True), startable)
        .order_by(AgentRow.created_at.desc())
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


def row_of(tool: ToolDefinition, vault: Vault, now_ms: int) -> ToolRow:
    """A row for a new tool."""
    row = ToolRow(id=tool.id, created_at=now_ms)
    put(row, tool, vault, now_ms)
    return row


def put(row: ToolRow, tool: ToolDefinition, vault: Vault, now_ms: int) -> None:
    """Make the row what ``tool`` says."""
    row.name = tool.name
    row.kind = tool.kind
    row.definition = {
        **tool.model_dump(mode="json", exclude={"id", "name", "kind", *_SEALED}),
        "headers": dict.fromkeys(tool.headers, REDACTED),
        "auth_config": _redacted(tool.auth_config.model_dump()),
    }
    row.sealed = vault.seal(tool.model_dump(mode="json", include=_SEALED))
    row.updated_at = now_ms


def definition_of(row: ToolRow, vault: Vault) -> ToolDefinition:
    """The whole tool, secrets included. Raises ``VaultError``."""
    return ToolDefinition.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "kind": row.kind,
            **row.definition,
            **vault.open(row.sealed),
        }
    )


def _redacted(auth: dict[str, Any]) -> dict[str, Any]:
    if auth["type"] == NoAuth().type:
        return {}
    return {name: value if name in _SHOWN_OF_AUTH else REDACTED for name, value in auth.items()}


def _with_ids(ids: Sequence[str]) -> Any:
    return select(ToolRow).where(ToolRow.id.in_(set(ids)))
