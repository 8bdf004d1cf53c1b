"""Agents and their versions, as callers see them."""

from typing import Any

from visavis.agents.costs import with_house_rates
from visavis.agents.schema import AgentConfiguration
from visavis.api.agents import AgentView, VersionSummary, VersionView
from visavis.server.paging import iso
from visavis.settings import Settings
from visavis.storage import agents as store
from visavis.storage.tables import AgentRow, AgentVersionRow


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


def version_summary(row: AgentVersionRow) -> VersionSummary:
    return VersionSummary(**_summary(row))


def version_view(row: AgentVersionRow) -> VersionView:
    configuration = AgentConfiguration.model_validate(row.configuration)
    return VersionView(**_summary(row), configuration=configuration, metadata=row.meta)


def _summary(row: AgentVersionRow) -> dict[str, Any]:
    return {
        "version": row.version,
        "created_at": iso(row.created_at),
        "note": row.note,
        "name": row.name,
        "publish_status": row.publish_status,
    }
