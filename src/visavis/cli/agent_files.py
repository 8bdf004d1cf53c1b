"""Bringing agent files and a server's agents into line."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from visavis.agents.document import AgentDocument
from visavis.agents.merge import differences, patch_between
from visavis.api.agents import AgentCreate, AgentPatch, AgentView, VersionView
from visavis.client import ApiError, Client


class ApplyError(Exception):
    """The document cannot be applied; the message says why."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, or in a dry run would be. ``changes``: path, old value, new value."""

    outcome: Literal["created", "changed", "unchanged"]
    name: str
    agent_id: str | None
    version: int
    changes: list[tuple[str, JsonValue, JsonValue]]


def apply(client: Client, document: AgentDocument, *, dry_run: bool = False) -> Applied:
    """Create the agent, or make it what the document says, whole: what that leaves out becomes
    the default. Raises ``ApplyError`` and ``visavis.client.ClientError``."""
    agent = _find(client, document)
    if agent is None:
        return _create(client, document, dry_run)
    now = client.agents.version(agent.id, agent.version)
    wanted = _told(document)
    wanted["publish_status"] = document.publish_status or agent.publish_status
    changes = list(differences(_told(now), wanted))
    if not changes:
        return Applied("unchanged", agent.name, agent.id, agent.version, [])
    version = agent.version + 1
    if not dry_run:
        version = client.agents.update(agent.id, _patch(wanted, now)).version
    return Applied("changed", document.name, agent.id, version, changes)


def export(client: Client, agent_id: str) -> AgentDocument:
    """The agent as a file holds it. Raises ``visavis.client.ClientError``."""
    agent = client.agents.get(agent_id)
    stored = client.agents.version(agent.id, agent.version)
    return AgentDocument(
        id=stored_id(agent),
        name=stored.name,
        publish_status=stored.publish_status,
        configuration=stored.configuration,
        metadata=stored.metadata,
    )


def stored_id(agent: AgentView) -> str | None:
    """The built-in agent's file makes an agent of one's own, so it names no id."""
    return None if agent.id == "demo" else agent.id


def _find(client: Client, document: AgentDocument) -> AgentView | None:
    """By id, else by name: a file may come from another server, which gave another id."""
    if document.id is not None:
        try:
            return client.agents.get(document.id)
        except ApiError as error:
            if error.code != "agent_not_found":
                raise
    same = _first_two(client.agents.iterate(name=document.name))
    if len(same) > 1:
        raise ApplyError(f"Several agents are called {document.name!r}: give the id of one.")
    return same[0] if same else None


def _first_two(agents: Iterable[AgentView]) -> list[AgentView]:
    return [agent for agent, _ in zip(agents, range(2), strict=False)]


def _create(client: Client, document: AgentDocument, dry_run: bool) -> Applied:
    body = AgentCreate(
        name=document.name,
        publish_status=document.publish_status or "draft",
        configuration=document.configuration,
        metadata=document.metadata,
    )
    agent_id = None if dry_run else client.agents.create(body).id
    return Applied("created", document.name, agent_id, 1, [])


def _told(agent: AgentDocument | VersionView) -> dict[str, Any]:
    fields = {"name", "publish_status", "configuration", "metadata"}
    return agent.model_dump(mode="json", include=fields)


def _patch(wanted: dict[str, Any], now: VersionView) -> AgentPatch:
    metadata = patch_between(now.metadata, wanted["metadata"])
    return AgentPatch.model_validate({**wanted, "metadata": metadata})
