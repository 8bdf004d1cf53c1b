"""OpenAI-compatible servers that know nothing of our additions: small real ones, on loopback."""

import asyncio
import base64
import io
import json
import threading
import wave

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from visavis.media import AudioChunk
from visavis.providers import resolve
from visavis.providers.base import (
    Endpoint,
    Flush,
    Message,
    ProviderError,
    TextDelta,
    ToolCall,
    ToolSpec,
)

TONE = (np.sin(np.arange(12_000) / 8) * 9000).astype("<i2")
HELLO = [Message("user", "Hello")]


class Foreign:
    """A server whose behaviour each test sets; it notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.speech = "pcm"
        self.chunks: list[dict] = []
        self.status = 200
        self.uploads: list[int] = []
        self.uploaded = threading.Event()
        self.slow = threading.Event()
        self.slow.set()
        self.hung_up = threading.Event()
        self.app = FastAPI()
        self.app.post("/v1/audio/speech")(self._speech)
        self.app.post("/v1/audio/transcriptions")(self._transcribe)
        self.app.post("/v1/chat/completions")(self._chat)
        self.app.get("/v1/models")(lambda: {"data": [{"id": "m", "owned_by": "them"}]})

    async def _speech(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        if self.status != 200:
            return self._error(self.status)
        if self.speech == "refuses_events" and "stream_format" in body:
            return self._error(400)
        if self.speech == "events":
            halves = [base64.b64encode(half).decode() for half in (TONE[:5000], TONE[5000:])]
            events = [{"type": "speech.audio.delta", "audio": half} for half in halves]
            lines = [f"data: {json.dumps(e)}\n\n" for e in [*events, {"type": "speech.audio.done"}]]
            return StreamingResponse(iter(lines), media_type="text/event-stream")
        if self.speech == "wav":
            return Response(self._wav(), media_type="audio/wav")
        return Response(TONE.tobytes(), media_type="audio/pcm")

    async def _transcribe(self, request: Request) -> Response:
        form = await request.form()
        self.uploads.append(len(await form["file"].read()))
        self.uploaded.set()
        if self.status != 200:
            return self._error(self.status)
        while not self.slow.is_set():
            if await request.is_disconnected():
                self.hung_up.set()
                return Response()
            await asyncio.sleep(0.01)
        return JSONResponse({"text": f" heard {self.uploads[-1]} "})

    async def _chat(self, request: Request) -> Response:
        self.asked.append(await request.json())
        if self.status != 200:
            return self._error(self.status)

        async def lines():
            try:
                for chunk in self.chunks:
                    yield f"data: {json.dumps(chunk)}\n\n"
                    await asyncio.sleep(0)
                while not self.slow.is_set():
                    yield f"data: {json.dumps(said('more'))}\n\n"
                    await asyncio.sleep(0.01)
                yield "data: [DONE]\n\n"
            except asyncio.CancelledError:
                self.hung_up.set()
                raise

        return StreamingResponse(lines(), media_type="text/event-stream")

    def _error(self, status: int) -> Response:
        return JSONResponse({"error": {"message": "no", "code": None, "type": "x"}}, status)

    def _wav(self) -> bytes:
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as sink:
            sink.setnchannels(1)
            sink.setsampwidth(2)
            sink.setframerate(22_050)
            sink.writeframes(TONE.tobytes())
        return buffer.getvalue()


def said(text: str | None = None, **delta: object) -> dict:
    choice = {"index": 0, "delta": {"content": text, **delta}, "finish_reason": None}
    return {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


@pytest.fixture
async def foreign():
    server_app = Foreign()
    config = uvicorn.Config(server_app.app, port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    async with asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110  uvicorn offers no event
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    server_app.endpoint = Endpoint(base_url=f"http://127.0.0.1:{port}/v1", api_key="", model="m")
    yield server_app
    server_app.slow.set()
    await resolve.aclose()
    server.should_exit = True
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


async def texts(*clauses: str):
    for clause in clauses:
        yield clause


async def speak(foreign, *clauses: str):
    voice = resolve.text_to_speech(foreign.endpoint)
    return [chunk async for chunk in voice.speak(texts(*clauses), voice="alloy")]


def llm(foreign):
    return resolve.language_model(foreign.endpoint, temperature=0.5, max_tokens=9, session_id="s")


@pytest.mark.parametrize(
    ("kind", "rate", "event_requests"),
    [("pcm", 24_000, 1), ("wav", 22_050, 1), ("events", 24_000, 2), ("refuses_events", 24_000, 1)],
)
async def test_any_voice_can_be_heard(foreign, kind, rate, event_requests):
    foreign.speech = kind
    chunks = await speak(foreign, "Hello there.", "Goodbye.")
    assert [chunk.text for chunk in chunks] == ["Hello there.", "Goodbye."]
    assert all(np.array_equal(chunk.pcm, TONE) and chunk.sample_rate == rate for chunk in chunks)
    assert all(chunk.words == chunk.phonemes == () for chunk in chunks)
    assert sum("stream_format" in body for body in foreign.asked) == event_requests
    assert foreign.asked[0]["voice"] == "alloy"


@pytest.mark.parametrize(
    ("status", "retryable"), [(401, False), (403, False), (404, False), (429, True), (503, True)]
)
async def test_refusals_say_whether_to_try_again(foreign, status, retryable):
    foreign.status = status

    async def audio():
        yield AudioChunk(np.zeros(320, np.int16), 0)
        yield Flush()

    for attempt in (
        llm(foreign).reply(HELLO),
        resolve.text_to_speech(foreign.endpoint).speak(texts("Hi"), voice="x"),
        resolve.speech_to_text(foreign.endpoint).stream(audio(), language="en"),
    ):
        with pytest.raises(ProviderError) as failure:
            [_ async for _ in attempt]
        assert failure.value.retryable is retryable
        assert str(status) in failure.value.message


async def test_tool_calls_are_put_together(foreign):
    def piece(index: int, **fields: object) -> dict:
        return said(tool_calls=[{"index": index, **fields}])

    foreign.chunks = [
        said("Let me look. "),
        piece(0, id="a", type="function", function={"name": "weather", "arguments": '{"city"'}),
        piece(1, id="b", type="function", function={"name": "time", "arguments": ""}),
        piece(0, function={"arguments": ': "Paris"}'}),
    ]
    tool = ToolSpec("weather", "The weather.", {"type": "object"})
    got = [item async for item in llm(foreign).reply(HELLO, [tool])]
    assert got == [
        TextDelta("Let me look. "),
        ToolCall("a", "weather", '{"city": "Paris"}'),
        ToolCall("b", "time", ""),
    ]
    asked = foreign.asked[0]
    assert asked["tools"][0]["function"]["name"] == "weather"
    assert (asked["max_tokens"], asked["temperature"], asked["user"]) == (9, 0.5, "s")


async def test_calls_and_their_answers_are_told_as_openai_wants_them(foreign):
    foreign.chunks = [said("It is sunny.")]
    call = ToolCall("a", "weather", '{"city": "Paris"}')
    messages = [*HELLO, Message("assistant", "", (call,)), Message("tool", "sunny", (), "a")]
    tool = ToolSpec("weather", "The weather.", {"type": "object"})
    [_ async for _ in llm(foreign).reply(messages, [tool], may_call=False)]
    (asked,) = foreign.asked
    function = {"name": "weather", "arguments": '{"city": "Paris"}'}
    assert asked["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": function}],
        },
        {"role": "tool", "content": "sunny", "tool_call_id": "a"},
    ]
    assert asked["tool_choice"] == "none"
    assert len(asked["tools"]) == 1


async def test_a_server_that_knows_no_tools_is_not_told_of_any(foreign):
    foreign.chunks = [said("Hello.")]
    [_ async for _ in llm(foreign).reply(HELLO, may_call=False)]
    assert not {"tools", "tool_choice"} & set(foreign.asked[0])


async def test_an_error_inside_the_stream_is_an_error(foreign):
    foreign.chunks = [said("Well"), {"error": {"message": "out of memory", "code": "oom"}}]
    with pytest.raises(ProviderError, match="out of memory"):
        [_ async for _ in llm(foreign).reply(HELLO)]


async def test_closing_a_reply_hangs_up(foreign):
    foreign.chunks = [said("Once")]
    foreign.slow.clear()
    reply = llm(foreign).reply(HELLO)
    assert await anext(reply) == TextDelta("Once")
    await reply.aclose()
    assert await asyncio.to_thread(foreign.hung_up.wait, 5)


async def test_prefill_leaves_others_alone(foreign):
    await llm(foreign).prefill(HELLO)
    assert foreign.asked == []


async def test_a_flush_does_not_wait_for_a_partial(foreign):
    foreign.slow.clear()
    second = 50
    chunk = AudioChunk(np.ones(320, np.int16), 0)

    async def audio():
        for _ in range(second):
            yield chunk
        await asyncio.to_thread(foreign.uploaded.wait, 10)
        yield Flush()
        foreign.slow.set()

    async def answer_after_hang_up():
        await asyncio.to_thread(foreign.hung_up.wait, 10)
        foreign.slow.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(answer_after_hang_up())
        stream = resolve.speech_to_text(foreign.endpoint).stream(audio(), language="en")
        async with asyncio.timeout(15):
            transcripts = [transcript async for transcript in stream]
    whole = 44 + second * 640
    assert [(t.text, t.final) for t in transcripts] == [(f"heard {whole}", True)]
    assert foreign.hung_up.is_set()
    assert foreign.uploads[0] < whole


async def test_a_server_that_an_agent_brought_is_called_through_the_guard(foreign):
    """A trusted server may be on this machine; one of an agent only where that is allowed."""
    foreign.chunks = [said("Hello")]
    trusted = foreign.endpoint
    foreign.endpoint = trusted.model_copy(update={"outgoing_allow": ()})
    with pytest.raises(ProviderError) as refused:
        [piece async for piece in llm(foreign).reply(HELLO)]
    assert (refused.value.code, refused.value.retryable) == ("url_refused", False)
    with pytest.raises(ProviderError):
        await speak(foreign, "Hello.")
    assert foreign.asked == []
    foreign.endpoint = trusted.model_copy(update={"outgoing_allow": ("127.0.0.1",)})
    assert [piece async for piece in llm(foreign).reply(HELLO)] == [TextDelta("Hello")]
    assert len(await speak(foreign, "Hello.")) == 1
