"""An OpenAI-compatible server whose language model does what a test says; its voice is a tone."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

WORD_S = 0.06


@dataclass
class Call:
    """The model calls a tool."""

    name: str
    arguments: dict = field(default_factory=dict)


@dataclass
class ScriptedModels:
    """``answer`` gets the request's messages, and returns texts and calls."""

    answer: Callable[[list[dict]], list[str | Call]]
    asked: list[dict] = field(default_factory=list)
    owner: str = "them"

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/audio/speech", self._speak, methods=["POST"]),
                Route("/v1/models", self._models),
            ]
        )

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"data": [{"id": "m", "owned_by": self.owner}]})

    async def _speak(self, request: Request) -> Response:
        words = (await request.json())["input"].split()
        samples = np.arange(round(24_000 * WORD_S * len(words)))
        tone = (8000 * np.sin(2 * np.pi * 200 * samples / 24_000)).astype("<i2")
        return Response(tone.tobytes(), media_type="audio/pcm")

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        items = self.answer(body["messages"])

        async def lines():
            for index, item in enumerate(items):
                yield _line(index, item)
                await asyncio.sleep(0)
            yield "data: [DONE]\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream")


def _line(index: int, item: str | Call) -> str:
    delta: dict = {"content": item}
    if isinstance(item, Call):
        function = {"name": item.name, "arguments": json.dumps(item.arguments)}
        call = {"index": index, "id": f"theirs-{index}", "type": "function", "function": function}
        delta = {"tool_calls": [call]}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n"
