"""Making and changing agents: what is asked for is validated as a whole, then stored."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.costs import without_house_rates
from visavis.agents.merge import differences, merge, merge_configuration
from visavis.agents.schema import Agent, AgentConfiguration
from visavis.api.agents import AgentPatch
from visavis.net.errors import OutgoingError
from visavis.server.errors import Problem
from visavis.server.gate.access import Caller
from visavis.server.routes import choices
from visavis.server.services import Services
from visavis.sessions.live import now_ms
from visavis.storage import agents as store
from visavis.storage import audit
from visavis.storage import tools as tool_store
from visavis.storage.tables import AgentRow

_SHOWN_TOOLS = 100


def patched(agent: Agent, patch: AgentPatch) -> Agent:
    """The agent after the patch. Raises ``RequestValidationError`` where that is no agent."""
    given = patch.model_fields_set
    changes: dict[str, Any] = {}
    if "name" in given:
        changes["name"] = patch.name
    if "publish_status" in given:
        changes["publish_status"] = patch.publish_status or "draft"
    if "metadata" in given:
        changes["metadata"] = (
            {} if patch.metadata is None else merge(agent.metadata, patch.metadata)
        )
    if "configuration" in given:
        changes["configuration"] = (
            AgentConfiguration()
            if patch.configuration is None
            else merge_configuration(agent.configuration, patch.configuration)
        )
    try:
        return Agent.model_validate({**dict(agent), **changes})
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_input=False)) from None


async def create(
    services: Services, session: AsyncSession, caller: Caller, agent: Agent, note: str
) -> AgentRow:
    """Store a new permanent agent. Raises ``Problem`` (``unknown_choice``)."""
    agent = await checked(services, session, agent)
    row = await store.create(session, agent, note, now_ms())
    await audit.record(session, caller.actor, "agent.created", agent.id)
    return row


async def change(
    services: Services,
    session: AsyncSession,
    caller: Caller,
    row: AgentRow,
    agent: Agent,
    note: str = "",
) -> None:
    """Store a new version, if anything differs. Raises ``Problem`` (``unknown_choice``)."""
    before = store.agent_of(row)
    agent = await checked(services, session, agent)
    changed = [path for path, _, _ in differences(_told(before), _told(agent))]
    if not changed:
        return
    store.change(session, row, agent, note or "changed " + ", ".join(changed), now_ms())
    detail = {"version": row.version}
    await audit.record(session, caller.actor, "agent.changed", agent.id, detail)


async def checked(services: Services, session: AsyncSession, agent: Agent) -> Agent:
    """The agent as it is stored. Raises ``Problem`` for what does not exist here."""
    choices.check(agent.configuration, services.settings)
    await choices.check_faces(session, agent.configuration)
    wanted = agent.configuration.tool_calling.selected_tool_ids
    for field, url in _urls(agent.configuration):
        refuse_inner(services, f"configuration.{field}", url)
    existing = await tool_store.existing_ids(session, wanted)
    if unknown := next((tool_id for tool_id in wanted if tool_id not in existing), None):
        known = [row.id for row in await tool_store.listing(session, _SHOWN_TOOLS)]
        raise choices.unknown_choice("tool_calling.selected_tool_ids", unknown, known)
    configuration = without_house_rates(agent.configuration, services.settings)
    return agent.model_copy(update={"configuration": configuration})


def refuse_inner(services: Services, field: str, url: str | None) -> None:
    """Raise ``Problem`` (``outgoing_refused``) for a URL that leads into our own network."""
    try:
        if url is not None:
            services.http.check(url)
    except OutgoingError as error:
        advice = "VISAVIS_OUTGOING_ALLOW lists private hosts that may be called."
        problem = Problem("outgoing_refused", f"{error.message} {advice}")
        problem.members["field"] = field
        raise problem from None


def _urls(configuration: AgentConfiguration) -> list[tuple[str, str | None]]:
    return [
        ("llm.custom_url", configuration.llm.custom_url),
        ("stt.custom_url", configuration.stt.custom_url),
        ("tts.custom_url", configuration.tts.custom_url),
        ("video.background.image_url", configuration.video.background.image_url),
        ("end_of_conversation.callback_url", configuration.end_of_conversation.callback_url),
    ]


def _told(agent: Agent) -> dict[str, Any]:
    return agent.model_dump(
        mode="json", include={"name", "publish_status", "configuration", "metadata"}
    )
