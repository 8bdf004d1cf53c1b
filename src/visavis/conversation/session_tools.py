"""All that one session needs to let its agent use tools."""

import asyncio
from collections.abc import Callable

from visavis.avatar.base import Emotion
from visavis.conversation.announcer import Announcer
from visavis.conversation.builtin_tools import builtin_tools
from visavis.conversation.client_tools import ClientTools
from visavis.conversation.dialogue import Dialogue
from visavis.conversation.fillers import Fillers
from visavis.conversation.spec import SessionSpec
from visavis.conversation.tool_calls import Tool, ToolCalls
from visavis.conversation.turn import Turn
from visavis.net.client import GuardedClient
from visavis.providers.base import ToolCall, ToolSpec
from visavis.tools.outcome import OfferedTool, ToolOutcome
from visavis.tools.toolbox import Toolbox

EMBEDDED_LANGUAGES = ("en",)
"""Of the embedded ears and voice."""


class SessionTools:
    """``calls`` runs them; ``client`` asks the user's app."""

    def __init__(
        self,
        spec: SessionSpec,
        announcer: Announcer,
        dialogue: Dialogue,
        client_ready: asyncio.Event,
    ) -> None:
        self._spec = spec
        self._dialogue = dialogue
        self.fillers = Fillers(spec.agent.language)
        self.calls = ToolCalls(announcer, self.fillers)
        self.client = ClientTools(announcer, client_ready)
        self.opened = asyncio.Event()

    def build_in(
        self, speak_language: Callable[[str], None], feel: Callable[[Emotion, float], None]
    ) -> None:
        """Offer the built-in tools that the agent may use."""
        builtin = builtin_tools(
            self._spec.agent.tool_calling.builtin,
            languages=languages_of(self._spec),
            speak_language=speak_language,
            feel=feel,
        )
        self._offer(builtin)

    async def keep_open(self, on_change: Callable[[], None]) -> None:
        """Offer the agent's own tools, then those of MCP servers as they come; until cancelled.

        ``on_change`` is called whenever the offer changed after ``opened``.
        """
        spec = self._spec
        if not spec.tools:
            self.opened.set()
            return
        # Reading the system's certificates takes too long for the loop that everyone talks on.
        guarded = await asyncio.to_thread(GuardedClient, spec.outgoing_allow)
        async with (
            guarded as http,
            Toolbox(spec.tools, http, session_id=spec.session_id) as toolbox,
        ):

            def offer() -> None:
                self._offer([_tool(offered, toolbox, self.client) for offered in toolbox.offered])

            def offer_more() -> None:
                offer()
                on_change()

            offer()
            self.opened.set()
            await toolbox.connect(offer_more)
            await asyncio.Event().wait()

    def _offer(self, tools: list[Tool]) -> None:
        self.calls.offer(tools)
        self._dialogue.offer(self.calls.specs)


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
