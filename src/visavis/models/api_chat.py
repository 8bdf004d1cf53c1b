"""``/v1/chat/completions`` and ``/v1/models``."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from visavis.models.api_errors import ApiError, body_of
from visavis.models.hosted import Hosted
from visavis.models.llama import Json, Llama, ModelRefused

_STILL_READING = ": reading the prompt\n\n"
"""An event-stream comment: a slow machine is not a dead one."""


class ChatRequest(BaseModel):
    """What is looked at here; every other field goes to the model as it came."""

    model_config = ConfigDict(extra="allow")

    model: str = "default"
    messages: list[dict[str, Any]] = Field(min_length=1)
    stream: bool = False
    max_tokens: int | None = Field(default=None, ge=0, le=4096)
    max_completion_tokens: int | None = Field(default=None, ge=0, le=4096)

    def for_llama(self) -> Json:
        limit = self.max_completion_tokens if self.max_tokens is None else self.max_tokens
        return {**self.model_dump(), "max_tokens": 1024 if limit is None else limit}


def router(llm: Hosted[Llama], slots: int) -> APIRouter:
    routes = APIRouter(prefix="/v1")
    replies = _Replies(2 * slots)  # twice: those being stopped still hold their threads

    @routes.post("/chat/completions")
    async def _(request: ChatRequest) -> Response:
        llm.check_name(request.model)
        chunks = replies.run(llm.ready(), request.for_llama(), llm.name)
        await anext(chunks, None)  # taken, or refused: from here on the status is 200
        if request.stream:
            return StreamingResponse(_events(chunks), media_type="text/event-stream")
        return JSONResponse(_joined([chunk async for chunk in chunks if chunk]))

    return routes


class _Replies:
    """Runs the blocking model in threads, and stops a reply that nobody reads any more."""

    def __init__(self, limit: int) -> None:
        self._threads = ThreadPoolExecutor(limit, "llm")
        self._limit = limit
        self._running = 0

    async def run(self, engine: Llama, request: Json, name: str) -> AsyncGenerator[Json]:
        """An empty chunk for each step through the prompt, then the reply's chunks.

        A request that the model refuses raises ``ApiError`` before the first one.
        """
        if self._running >= self._limit:
            raise ApiError(503, "overloaded", "Too many replies are under way.")
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[Json | None] = asyncio.Queue()  # bounded by max_tokens
        unwanted = threading.Event()

        def receive(chunk: Json) -> bool:
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            return unwanted.is_set()

        def complete() -> None:
            try:
                engine.complete(request, receive)
            finally:
                loop.call_soon_threadsafe(chunks.put_nowait, None)

        self._running += 1
        work = loop.run_in_executor(self._threads, complete)
        work.add_done_callback(self._ended)
        try:
            while (chunk := await chunks.get()) is not None:
                yield {} if "prompt_progress" in chunk else {**chunk, "model": name}
            await work
        except ModelRefused as error:
            raise ApiError(400, error.code, str(error)) from error
        finally:
            unwanted.set()

    def _ended(self, work: "asyncio.Future[None]") -> None:
        self._running -= 1
        if not work.cancelled():
            work.exception()  # looked at here too, for when the reader has gone


async def _events(chunks: AsyncIterator[Json]) -> AsyncIterator[str]:
    try:
        async for chunk in chunks:
            yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" if chunk else _STILL_READING
    except ApiError as error:  # the headers are gone: tell it in the stream
        yield f"data: {json.dumps(body_of(error.status, error.code, str(error)))}\n\n"
    yield "data: [DONE]\n\n"


def _joined(chunks: list[Json]) -> Json:
    """The one ``chat.completion`` that the chunks add up to."""
    deltas = [choice for chunk in chunks for choice in chunk.get("choices", [])]
    content = "".join(choice["delta"].get("content") or "" for choice in deltas)
    message: Json = {"role": "assistant", "content": content}
    if calls := _joined_calls(deltas):
        message |= {"content": content or None, "tool_calls": calls}
    reason = next((c["finish_reason"] for c in reversed(deltas) if c.get("finish_reason")), None)
    last: Json = chunks[-1] if chunks else {}
    return {
        "id": last.get("id"),
        "object": "chat.completion",
        "created": last.get("created"),
        "model": last.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": _usage(last.get("timings", {})),
    }


def _joined_calls(deltas: list[Json]) -> list[Json]:
    calls: dict[int, Json] = {}
    for choice in deltas:
        pieces: list[Json] = choice["delta"].get("tool_calls") or []
        for piece in pieces:
            empty: Json = {"name": "", "arguments": ""}
            new: Json = {"id": "", "type": "function", "function": empty}
            call = calls.setdefault(int(piece.get("index", 0)), new)
            call["id"] = piece.get("id") or call["id"]
            function: Json = piece.get("function", {})
            for field in ("name", "arguments"):
                call["function"][field] += function.get(field) or ""
    return [calls[index] for index in sorted(calls)]


def _usage(timings: Json) -> Json:
    prompt = timings.get("prompt_n", 0) + timings.get("cache_n", 0)
    completion = timings.get("predicted_n", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": timings.get("cache_n", 0)},
    }
