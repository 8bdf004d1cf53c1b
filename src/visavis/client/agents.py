"""Agents: ``/v1/agent``, ``/v1/ephemeral-agent`` and ``/v1/providers``."""

from pydantic import JsonValue

from visavis.agents.schema import AgentConfiguration, Metadata, PublishStatus
from visavis.api.agents import (
    AgentCreate,
    AgentImported,
    AgentPatch,
    AgentView,
    Choices,
    EphemeralCreate,
    EphemeralCreated,
    Vendor,
    VersionSummary,
    VersionView,
)
from visavis.api.page import Page
from visavis.client.call import Call, into, nothing, segment
from visavis.client.operation import Resource, S, iterating, operation


class Agents(Resource[S]):
    """Permanent agents, their versions, and single-use agents."""

    @operation
    def choices(self) -> Call[Choices]:
        """What an agent on this server can be made of."""
        return Call("GET", "/v1/providers", into(Choices))

    @operation
    def create(self, agent: AgentCreate) -> Call[AgentView]:
        """A new permanent agent. ``ApiError`` ``unknown_choice`` names what exists here."""
        return Call("POST", "/v1/agent", into(AgentView), agent)

    @operation
    def get(self, agent_id: str) -> Call[AgentView]:
        """One agent."""
        return Call("GET", _path(agent_id), into(AgentView))

    @operation
    def list(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        name: str | None = None,
        publish_status: PublishStatus | None = None,
    ) -> Call[Page[AgentView]]:
        """One page, newest first."""
        return _list(limit, cursor, name, publish_status)

    @iterating
    def iterate(
        self, *, name: str | None = None, publish_status: PublishStatus | None = None
    ) -> Call[Page[AgentView]]:
        """All agents, newest first."""
        return _list(100, None, name, publish_status)

    @operation
    def update(self, agent_id: str, patch: AgentPatch) -> Call[AgentView]:
        """Merge what ``patch`` sets into the agent; makes a new version."""
        return Call("PATCH", _path(agent_id), into(AgentView), patch)

    @operation
    def delete(self, agent_id: str) -> Call[None]:
        """Delete the agent; sessions that run go on."""
        return Call("DELETE", _path(agent_id), nothing)

    @operation
    def duplicate(self, agent_id: str, *, name: str | None = None) -> Call[AgentView]:
        """A draft like this agent."""
        path = f"{_path(agent_id)}/duplicate"
        return Call("POST", path, into(AgentView), {"name": name})

    @operation
    def versions(
        self, agent_id: str, *, limit: int | None = None, cursor: str | None = None
    ) -> Call[Page[VersionSummary]]:
        """One page of the agent's versions, newest first."""
        path = f"{_path(agent_id)}/version"
        query = {"limit": limit, "cursor": cursor}
        return Call("GET", path, into(Page[VersionSummary]), query=query)

    @iterating
    def iterate_versions(self, agent_id: str) -> Call[Page[VersionSummary]]:
        """All versions of the agent, newest first."""
        path = f"{_path(agent_id)}/version"
        return Call("GET", path, into(Page[VersionSummary]), query={"limit": 100})

    @operation
    def version(self, agent_id: str, version: int) -> Call[VersionView]:
        """The agent as it was."""
        return Call("GET", f"{_path(agent_id)}/version/{version}", into(VersionView))

    @operation
    def rollback(self, agent_id: str, version: int) -> Call[AgentView]:
        """Make the agent as it was; that is a new version, too."""
        path = f"{_path(agent_id)}/rollback"
        return Call("POST", path, into(AgentView), {"version": version})

    @operation
    def import_from(self, vendor: Vendor, document: dict[str, JsonValue]) -> Call[AgentImported]:
        """A draft from another vendor's agent, and what could not be carried over."""
        body = {"from": vendor, "document": document}
        return Call("POST", "/v1/agent/import", into(AgentImported), body)

    @operation
    def create_ephemeral(
        self,
        configuration: AgentConfiguration,
        *,
        ttl_seconds: int = 300,
        metadata: Metadata | None = None,
    ) -> Call[EphemeralCreated]:
        """An agent for one session, to be started within ``ttl_seconds``."""
        body = EphemeralCreate(
            configuration=configuration, ttl_seconds=ttl_seconds, metadata=metadata or {}
        )
        return Call("POST", "/v1/ephemeral-agent", into(EphemeralCreated), body)


def _list(
    limit: int | None, cursor: str | None, name: str | None, publish_status: PublishStatus | None
) -> Call[Page[AgentView]]:
    query = {"limit": limit, "cursor": cursor, "name": name, "publish_status": publish_status}
    return Call("GET", "/v1/agent", into(Page[AgentView]), query=query)


def _path(agent_id: str) -> str:
    return f"/v1/agent/{segment(agent_id)}"
