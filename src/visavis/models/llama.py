"""The embedded language model: llama.cpp in this process, driven through its chat interface."""

import importlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from visavis.models import tool_choice

Json = dict[str, Any]
OnChunk = Callable[[Json], bool]
"""Gets an OpenAI ``chat.completion.chunk``; returning True stops the model."""

_CONTEXT_PER_SLOT = 2048
_BATCH = 64
"""Prompt tokens between two looks at whether anyone still wants the reply."""
_OWNED_S = 60.0
_DEFAULTS: Json = {"presence_penalty": 0.3, "frequency_penalty": 0.5}
"""Without them a small model that has repeated itself once goes on to do so for ever."""
_FORWARDED = (
    "messages",
    "max_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "response_format",
    "stream_options",
)
_STEERING = ("grammar", "logit_bias")
"""For our own questions only."""


class ModelRefused(Exception):
    """The request itself is at fault: unreadable, or longer than the context."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Llama:
    """One model in memory, with ``slots`` conversations in its key-value cache.

    ``complete`` blocks its thread, so call it in one; the model itself runs in its own threads.
    """

    def __init__(self, gguf: Path, *, threads: int, slots: int) -> None:
        xllamacpp: Any = importlib.import_module("xllamacpp")
        params = xllamacpp.CommonParams()
        params.model.path = str(gguf)
        params.n_parallel = slots
        params.n_ctx = _CONTEXT_PER_SLOT * slots
        params.kv_unified = True
        params.n_batch = params.n_ubatch = _BATCH
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.n_gpu_layers = 0
        params.use_jinja = True
        params.cache_ram_mib = 0
        params.verbosity = 0
        # The runtime also opens a port of its own, on loopback: nobody has the key to it.
        params.api_keys = [secrets.token_urlsafe(24)]
        params.ui = params.endpoint_slots = params.endpoint_props = False
        self._server = xllamacpp.Server(params)
        self._slots = Slots(slots)

    def complete(self, request: Json, on_chunk: OnChunk) -> None:
        """Stream the reply to ``request`` (OpenAI's fields); raises ``ModelRefused``.

        ``user`` names the conversation, whose prompt then stays in one slot of the cache.
        Stopping works within a token, or within ``_BATCH`` tokens of a long prompt.
        """
        if call := self._call(request, on_chunk):
            for delta, reason in (
                ({"role": "assistant", "tool_calls": [call]}, None),
                ({}, "tool_calls"),
            ):
                on_chunk(_chunk(delta, reason))
        else:
            self._write(request, on_chunk)

    def _call(self, request: Json, on_chunk: OnChunk) -> Json | None:
        """The tool call that answers the request, if one does."""
        functions = tool_choice.functions_of(request)
        last = cast("list[Json]", request["messages"])[-1]
        wish = request.get("tool_choice")
        if not functions or last.get("role") != "user" or wish == "none":
            return None
        said = str(last.get("content") or "")
        if isinstance(wish, dict):
            name = str(cast(Json, wish).get("function", {}).get("name"))
        else:
            question = tool_choice.which(functions, said, must=wish == "required")
            if not said:  # only to be read into the cache
                question["max_tokens"] = 1
            name = self._text({**question, "user": f"tools of {sorted(functions)}"}, on_chunk)
        if not said or name not in functions:
            return None
        function: Json = functions[name]
        arguments = "{}"
        if cast(Json, function.get("parameters") or {}).get("properties"):
            question = tool_choice.with_what(function, request["messages"])
            arguments = self._text({**question, "user": request.get("user")}, on_chunk)
        function = {"name": name, "arguments": arguments}
        return {
            "index": 0,
            "id": f"call_{secrets.token_hex(8)}",
            "type": "function",
            "function": function,
        }

    def _text(self, request: Json, on_chunk: OnChunk) -> str:
        """The whole of a reply that nobody else is to see."""
        pieces: list[str] = []

        def receive(chunk: Json) -> bool:
            for choice in chunk.get("choices", []):
                pieces.append(choice["delta"].get("content") or "")
            return on_chunk({"prompt_progress": chunk.get("prompt_progress")})

        self._write(request, receive, _FORWARDED + _STEERING)
        return "".join(pieces)

    def _write(
        self, request: Json, on_chunk: OnChunk, forwarded: tuple[str, ...] = _FORWARDED
    ) -> None:
        body = _DEFAULTS | {key: request[key] for key in forwarded if request.get(key) is not None}
        body["messages"] = tool_choice.in_words(request["messages"])
        body |= {"stream": True, "cache_prompt": True, "return_progress": True}
        if request.get("user"):
            body["id_slot"] = self._slots.of(str(request["user"]), _system_prompt(request))
        refusals: list[Json] = []

        def receive(chunk: Json) -> bool:
            if "error" in chunk:
                refusals.append(chunk["error"])
                return True
            return on_chunk(chunk)

        try:
            self._server.handle_chat_completions(body, receive)
        except (ValueError, RuntimeError) as error:
            raise ModelRefused(str(error), "invalid_request") from error
        if refusals:
            too_long = refusals[0].get("type") == "exceed_context_size_error"
            code = "context_length_exceeded" if too_long else "invalid_request"
            raise ModelRefused(str(refusals[0].get("message")), code)

    def warm_up(self) -> None:
        self.complete(
            {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}, lambda _: False
        )


def _chunk(delta: Json, reason: str | None) -> Json:
    return {
        "id": f"chatcmpl-{secrets.token_hex(8)}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }


@dataclass(slots=True)
class _Slot:
    user: str = ""
    system_prompt: str = ""
    used_at: float = 0.0


class Slots:
    """Which conversation owns which cache slot.

    A new one gets, of those that nobody used for a minute (else of all): a slot that already
    holds its system prompt, else the one unused for longest.
    """

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = [_Slot() for _ in range(count)]
        self._clock = clock
        self._lock = threading.Lock()

    def of(self, user: str, system_prompt: str) -> int:
        with self._lock:
            index = self._index(user, system_prompt)
            self._slots[index] = _Slot(user, system_prompt, self._clock())
            return index

    def _index(self, user: str, system_prompt: str) -> int:
        for index, slot in enumerate(self._slots):
            if slot.user == user:
                return index
        now = self._clock()
        free = [slot for slot in self._slots if not slot.user or now - slot.used_at > _OWNED_S]
        warm = [slot for slot in free if slot.user and slot.system_prompt == system_prompt]
        chosen = min(warm or free or self._slots, key=lambda slot: slot.used_at)
        return self._slots.index(chosen)


def _system_prompt(request: Json) -> str:
    messages = cast("list[Json]", request.get("messages") or [{}])
    return str(messages[0].get("content", ""))
