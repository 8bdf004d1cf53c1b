"""Tools that the user's own app runs, asked over the room's data channel."""

import asyncio
import json
import time

from visavis.conversation.announcer import Announcer
from visavis.conversation.tool_calls import Tool
from visavis.conversation.turn import Turn
from visavis.providers.base import ToolCall, ToolSpec
from visavis.rooms import rtvi
from visavis.tools.arguments import ArgumentsError, check_arguments
from visavis.tools.outcome import OfferedTool, ToolOutcome
from visavis.tools.results import as_data

_NO_CLIENT = "The user's app is not connected, so this cannot be done now."
_NO_ANSWER = "The user's app did not answer in time."


class ClientTools:
    """The calls that wait for the user's app. What it answers is data like any other."""

    def __init__(self, announcer: Announcer, client_ready: asyncio.Event) -> None:
        self._announcer = announcer
        self._client_ready = client_ready
        self._waiting: dict[str, asyncio.Future[object]] = {}

    def tool(self, offered: OfferedTool) -> Tool:
        """``offered`` as a tool that the app runs."""

        async def ask(_: Turn, call: ToolCall) -> ToolOutcome:
            return await self._ask(offered, call)

        spec = ToolSpec(offered.name, offered.description, offered.parameters)
        return Tool(spec, ask, offered.tool_id, offered.is_async, on_client=True)

    def answer(self, answered: rtvi.FunctionCallResult) -> bool:
        """The app has answered; False if nobody waits for that."""
        waiting = self._waiting.get(answered.call_id)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(answered.result)
        return True

    async def _ask(self, offered: OfferedTool, call: ToolCall) -> ToolOutcome:
        begun_s = time.monotonic()

        def outcome(text: str, error_code: str | None = None) -> ToolOutcome:
            took_ms = (time.monotonic() - begun_s) * 1000
            return ToolOutcome(error_code is None, text, error_code, took_ms)

        try:
            arguments = check_arguments(offered.parameters, call.arguments, strict=offered.strict)
        except ArgumentsError as error:
            return outcome(f"The arguments were refused: {error}", "invalid_arguments")
        if not self._client_ready.is_set():
            return outcome(_NO_CLIENT, "client_missing")
        answered: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting[call.id] = answered
        self._announcer.send(rtvi.function_call(call.id, call.name, arguments))
        try:
            async with asyncio.timeout(offered.timeout_s):
                result = await answered
        except TimeoutError:
            return outcome(_NO_ANSWER, "timeout")
        finally:
            del self._waiting[call.id]
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
        return outcome(as_data(call.name, text))
