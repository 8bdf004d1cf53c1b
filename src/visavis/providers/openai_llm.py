"""A language model over ``/chat/completions``."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import openai
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

from visavis.providers.base import Endpoint, Message, TextDelta, ToolCall, ToolSpec
from visavis.providers.openai_http import client_for, provider_errors

_EMBEDDED = "visavis"
"""Who owns the models of our own host, which is worth warming up."""


@dataclass(slots=True)
class _PartialCall:
    id: str = ""
    name: str = ""
    arguments: str = ""


class OpenAiLanguageModel:
    """One conversation's model: ``session_id`` tells the server whose prompt to keep."""

    def __init__(
        self, endpoint: Endpoint, *, temperature: float, max_tokens: int, session_id: str
    ) -> None:
        self._model = endpoint.model
        self._client = client_for(endpoint)
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._session_id = session_id
        self._is_embedded: bool | None = None

    async def reply(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncIterator[TextDelta | ToolCall]:
        """See ``LanguageModel``. Tool calls come complete, after the text."""
        calls: dict[int, _PartialCall] = {}
        with provider_errors("The language model"):
            stream = await self._open(messages, tools, self._max_tokens, may_call)
            try:
                async for chunk in stream:
                    for choice in chunk.choices[:1]:
                        _collect(choice.delta.tool_calls or (), calls)
                        if choice.delta.content:
                            yield TextDelta(choice.delta.content)
            finally:
                await stream.response.aclose()  # no draining: the server must stop now
        for call in calls.values():
            yield ToolCall(call.id, call.name, call.arguments)

    async def prefill(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> None:
        """Let our own model host read ``messages`` now; other servers are left alone."""
        with provider_errors("The language model"):
            if self._is_embedded is None:
                models = await self._client.models.list()
                self._is_embedded = any(model.owned_by == _EMBEDDED for model in models.data)
            if not self._is_embedded:
                return
            stream = await self._open(messages, tools, max_tokens=1)
            try:
                async for _ in stream:
                    pass
            finally:
                await stream.response.aclose()

    async def _open(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        max_tokens: int,
        may_call: bool = True,
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        optional: dict[str, Any] = {}
        if tools:
            optional["tools"] = [_tool(tool) for tool in tools]
            if not may_call:
                optional["tool_choice"] = "none"
        return await self._client.chat.completions.create(
            model=self._model,
            messages=[_message(message) for message in messages],
            temperature=self._temperature,
            max_tokens=max_tokens,
            user=self._session_id,
            stream=True,
            **optional,
        )


def _message(message: Message) -> ChatCompletionMessageParam:
    wire: dict[str, object] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["content"] = message.content or None
        wire["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.role == "tool":
        wire["tool_call_id"] = message.tool_call_id
    return cast("ChatCompletionMessageParam", wire)


def _call(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _tool(tool: ToolSpec) -> dict[str, object]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return {"type": "function", "function": function}


def _collect(pieces: Iterable[ChoiceDeltaToolCall], calls: dict[int, _PartialCall]) -> None:
    for piece in pieces:
        call = calls.setdefault(piece.index, _PartialCall())
        call.id = piece.id or call.id
        if piece.function is not None:
            call.name += piece.function.name or ""
            call.arguments += piece.function.arguments or ""
