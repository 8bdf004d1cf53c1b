"""Vendors' voices over real sockets, against servers that answer as the vendors' pages say."""

import base64
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from websockets.asyncio.server import serve

from visavis.providers import resolve
from visavis.providers.base import Endpoint, ProviderError

SOUND = (np.sin(np.arange(24_000) / 20) * 8000).astype("<i2").tobytes()
TICKS = 10_000_000


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    import asyncio

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        await resolve.aclose()


async def said(kind: str, url: str, text: str = "Hi Bob") -> list:
    endpoint = Endpoint(kind=kind, base_url=url, api_key="key-1", model="m")

    async def clauses() -> AsyncIterator[str]:
        yield text

    voice = resolve.text_to_speech(endpoint)
    return [chunk async for chunk in voice.speak(clauses(), voice="v1")]


def elevenlabs(*, absolute: bool) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/text-to-speech/{voice}/stream/with-timestamps")
    async def speak(voice: str, request: Request, output_format: str) -> Response:
        assert request.headers["xi-api-key"] == "key-1"
        assert (voice, output_format) == ("v1", "pcm_24000")
        assert await request.json() == {"text": "Hi Bob", "model_id": "m"}
        half = len(SOUND) // 2

        def event(sound: bytes, letters: str, start: float) -> str:
            starts = [start + 0.1 * n for n in range(len(letters))]
            return json.dumps(
                {
                    "audio_base64": base64.b64encode(sound).decode(),
                    "alignment": {
                        "characters": list(letters),
                        "character_start_times_seconds": starts,
                        "character_end_times_seconds": [one + 0.1 for one in starts],
                    },
                }
            )

        events = [event(SOUND[:half], "Hi ", 0), event(SOUND[half:], "Bob", 0.5 * absolute)]
        return StreamingResponse(iter(line + "\n\n" for line in events))

    return app


@pytest.mark.parametrize("absolute", [True, False])
async def test_elevenlabs_letters_become_words_and_lips(absolute: bool) -> None:
    async with serving(elevenlabs(absolute=absolute)) as url:
        (chunk,) = await said("elevenlabs", url)
    assert chunk.pcm.tobytes() == SOUND
    words = [(word.text, round(word.start_s, 2), round(word.end_s, 2)) for word in chunk.words]
    assert words == [("Hi", 0, 0.2), ("Bob", 0.5, 0.8)]
    closed = [round(one.start_s, 2) for one in chunk.phonemes if one.symbol == "b"]
    assert closed == [0.5, 0.7]


async def test_cartesia_tells_words_and_phonemes() -> None:
    app = FastAPI()

    @app.post("/tts/sse")
    async def speak(request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer key-1"
        asked = await request.json()
        assert asked["transcript"] == "Hi Bob"
        assert asked["voice"] == {"mode": "id", "id": "v1"}
        assert asked["add_phoneme_timestamps"]
        words = {"words": ["Hi", "Bob"], "start": [0.0, 0.4], "end": [0.3, 0.9]}
        sounds = {"phonemes": ["b", "ɑ", "b"], "start": [0.4, 0.5, 0.8], "end": [0.5, 0.8, 0.9]}
        events = [
            {"type": "chunk", "data": base64.b64encode(SOUND[:1000]).decode()},
            {"type": "timestamps", "word_timestamps": words},
            {"type": "phoneme_timestamps", "phoneme_timestamps": sounds},
            {"type": "chunk", "data": base64.b64encode(SOUND[1000:]).decode()},
            {"type": "done"},
        ]
        lines = (f"event: x\ndata: {json.dumps(event)}\n\n" for event in events)
        return StreamingResponse(lines, media_type="text/event-stream")

    async with serving(app) as url:
        (chunk,) = await said("cartesia", url)
    assert chunk.pcm.tobytes() == SOUND
    assert [word.text for word in chunk.words] == ["Hi", "Bob"]
    assert [(one.symbol, one.start_s) for one in chunk.phonemes] == [
        ("b", 0.4),
        ("ɑ", 0.5),
        ("b", 0.8),
    ]


async def test_azure_visemes_become_phonemes() -> None:
    heard: list[str] = []

    async def speak(line) -> None:
        assert line.request.headers["Ocp-Apim-Subscription-Key"] == "key-1"
        heard.extend([await line.recv() for _ in range(3)])
        visemes = [{"Type": "Viseme", "Data": {"Offset": 0, "VisemeId": 12}}]
        visemes += [{"Type": "Viseme", "Data": {"Offset": TICKS // 2, "VisemeId": 21}}]
        text = {"Text": "Hi", "Length": 2, "BoundaryType": "WordBoundary"}
        data = {"Offset": 0, "Duration": TICKS // 4, "text": text}
        metadata = json.dumps({"Metadata": [*visemes, {"Type": "WordBoundary", "Data": data}]})
        await line.send("X-RequestId:1\r\nPath:turn.start\r\n\r\n{}")
        await line.send(f"X-RequestId:1\r\nPath:audio.metadata\r\n\r\n{metadata}")
        head = b"X-RequestId:1\r\nPath:audio\r\n"
        await line.send(len(head).to_bytes(2, "big") + head + SOUND)
        await line.send("X-RequestId:1\r\nPath:turn.end\r\n\r\n{}")

    async with serve(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        (chunk,) = await said("azure", f"ws://127.0.0.1:{port}", "Hi <Bob>")
    assert "Hi &lt;Bob&gt;" in heard[2]
    assert chunk.pcm.tobytes() == SOUND
    assert [(word.text, word.end_s) for word in chunk.words] == [("Hi", 0.25)]
    assert [(one.symbol, one.start_s, one.end_s) for one in chunk.phonemes] == [
        ("h", 0.0, 0.5),
        ("p", 0.5, 1.0),
    ]


def answering(content: Callable[[], Response]) -> FastAPI:
    app = FastAPI()
    app.add_api_route("/{path:path}", content, methods=["POST"])
    return app


@pytest.mark.parametrize("kind", ["elevenlabs", "cartesia"])
@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [
        (lambda: Response("wrong key key-1", 401), "http_401", False),
        (lambda: Response("busy", 503), "http_503", True),
        (lambda: Response("data: {nonsense\n"), "bad_event", False),
    ],
)
async def test_refusals_are_provider_errors_without_the_vendors_words(
    kind: str, answer: Callable[[], Response], code: str, retryable: bool
) -> None:
    async with serving(answering(answer)) as url:
        with pytest.raises(ProviderError) as caught:
            await said(kind, url)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert "key-1" not in caught.value.message


async def test_nobody_at_home_is_said() -> None:
    for kind in ("elevenlabs", "cartesia"):
        with pytest.raises(ProviderError) as caught:
            await said(kind, "http://127.0.0.1:9")
        assert caught.value.code == "unreachable"
    with pytest.raises(ProviderError) as caught:
        await said("azure", "ws://127.0.0.1:9")
    assert caught.value.code == "unreachable"
    await resolve.aclose()
