"""Opens a session's tools, and keeps them open while it lasts."""

import asyncio

from visavis.conversation.client_tools import ClientTools
from visavis.conversation.dialogue import Dialogue
from visavis.conversation.spec import SessionSpec
from visavis.conversation.tool_calls import Tool, ToolCalls
from visavis.conversation.turn import Turn
from visavis.net.client import GuardedClient
from visavis.providers.base import ToolCall, ToolSpec
from visavis.tools.outcome import OfferedTool, ToolOutcome
from visavis.tools.toolbox import Toolbox

EMBEDDED_LANGUAGES = ("en",)
"""Of the embedded ears and voice."""


async def keep_tools_open(
    spec: SessionSpec,
    tools: ToolCalls,
    client: ClientTools,
    dialogue: Dialogue,
    opened: asyncio.Event,
) -> None:
    """Offer the agent's own tools to the model as soon as they are there; until cancelled."""
    if not spec.tools:
        opened.set()
        return
    async with (
        GuardedClient(spec.outgoing_allow) as http,
        Toolbox(spec.tools, http, session_id=spec.session_id) as toolbox,
    ):
        tools.offer([_tool(offered, toolbox, client) for offered in toolbox.offered])
        dialogue.offer(tools.specs)
        opened.set()
        await asyncio.Event().wait()


def languages_of(spec: SessionSpec) -> tuple[str, ...] | None:
    """What can be heard and spoken; None: nobody knows the limits."""
    return EMBEDDED_LANGUAGES if spec.stt.embedded or spec.tts.embedded else None


def _tool(offered: OfferedTool, toolbox: Toolbox, client: ClientTools) -> Tool:
    if offered.kind == "client":
        return client.tool(offered)

    async def call(_: Turn, call: ToolCall) -> ToolOutcome:
        return await toolbox.call(call.name, call.arguments)

    spec = ToolSpec(offered.name, offered.description, offered.parameters)
    return Tool(spec, call, offered.tool_id, offered.is_async)
