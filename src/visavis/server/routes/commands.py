"""What one may tell a running session: say, echo, respond, context, interrupt, update."""

from typing import Any

from fastapi import APIRouter, Request

from visavis.agents.merge import merge_configuration
from visavis.agents.schema import AgentConfiguration
from visavis.api.sessions import (
    CommandAccepted,
    ContextRequest,
    EchoRequest,
    RespondRequest,
    SayRequest,
    SessionPatch,
    SessionView,
)
from visavis.conversation.commands import (
    AddContext,
    Command,
    Echo,
    Interrupt,
    Respond,
    Say,
    Update,
)
from visavis.server.errors import Problem
from visavis.server.gate.access import SessionsWrite, check_owner
from visavis.server.routes import choices
from visavis.server.routes.sessions import SessionId, found, show
from visavis.server.services import Provided, Services

router = APIRouter(prefix="/v1/session/{session_id}", tags=["sessions"])

_LAYERS = {
    "system_prompt": "llm",
    "temperature": "llm",
    "max_tokens": "llm",
    "voice_id": "tts",
}
"""Where a field of an update lives in the configuration; all others at its top."""


@router.post("/say", status_code=202)
async def say(
    session_id: SessionId, body: SayRequest, services: Provided, caller: SessionsWrite
) -> CommandAccepted:
    """The agent says exactly this, and remembers it as its own words."""
    return await _tell(services, session_id, Say(**dict(body)))


@router.post("/echo", status_code=202)
async def echo(
    session_id: SessionId, body: EchoRequest, services: Provided, caller: SessionsWrite
) -> CommandAccepted:
    """The agent speaks this text, or lip-syncs this sound, and its model never learns of it.

    For those who bring a brain of their own: send a long answer piece by piece with ``interrupt``
    false. Once the user interrupts, the pieces that wait are dropped.
    """
    return await _tell(services, session_id, Echo(**body.model_dump(exclude_none=True)))


@router.post("/respond", status_code=202)
async def respond(
    session_id: SessionId, body: RespondRequest, services: Provided, caller: SessionsWrite
) -> CommandAccepted:
    """The agent answers this, as if the user had typed it."""
    return await _tell(services, session_id, Respond(text=body.text))


@router.post("/context", status_code=202)
async def context(
    session_id: SessionId, body: ContextRequest, services: Provided, caller: SessionsWrite
) -> CommandAccepted:
    """The agent knows this from now on, and says nothing to it.

    Of what the "system" tells, the newest 6000 characters are kept.
    """
    return await _tell(services, session_id, AddContext(**dict(body)))


@router.post("/interrupt", status_code=202)
async def interrupt(session_id: SessionId, request: Request, services: Provided) -> CommandAccepted:
    """The agent is silent at once, and forgets what was waiting to be said.

    The room token will do; an agent that users may not interrupt then finishes its sentence.
    """
    caller = await check_owner(services, session_id, request, "sessions:write")
    return await _tell(services, session_id, Interrupt(by_user=caller.kind == "room"))


@router.patch("")
async def update(
    session_id: SessionId,
    body: SessionPatch,
    request: Request,
    services: Provided,
    caller: SessionsWrite,
) -> SessionView:
    """Change a session that has not ended, joined or not, from its next turn on."""
    await found(services, session_id)
    wanted = body.model_dump(exclude_none=True, exclude={"metadata"})

    def configure(configuration: AgentConfiguration) -> AgentConfiguration:
        return _configured(configuration, wanted, services)

    wish = Update(**wanted)
    await services.sessions.update(session_id, wish, configure, body.metadata)
    return await show(session_id, request, services)


def _configured(
    configuration: AgentConfiguration, wanted: dict[str, Any], services: Services
) -> AgentConfiguration:
    """The configuration after the update. Raises ``Problem`` for what does not exist here."""
    patch: dict[str, Any] = {}
    for field, value in wanted.items():
        layer = _LAYERS.get(field)
        (patch.setdefault(layer, {}) if layer else patch)[field] = value
    changed = AgentConfiguration.model_validate(merge_configuration(configuration, patch))
    try:
        choices.check(changed, services.settings)
    except Problem as problem:
        field = str(problem.members.get("field", "")).rpartition(".")[2]
        if field not in wanted:  # what the agent was made of may have gone since
            return changed
        problem.members["field"] = field
        raise
    return changed


async def _tell(services: Services, session_id: str, command: Command) -> CommandAccepted:
    await found(services, session_id)
    await services.sessions.tell(session_id, command)
    assert command.type != "update"
    return CommandAccepted(session_id=session_id, command=command.type)
