"""``/v1/audio``: transcriptions, and speech with the times of its words and phonemes."""

import asyncio
import base64
import importlib
import io
import json
import wave
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal, cast

import numpy as np
from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from visavis.media import SpeechChunk
from visavis.models import hibari, whisper
from visavis.models.api_errors import ApiError, body_of
from visavis.models.hibari import Hibari
from visavis.models.hosted import Hosted
from visavis.models.whisper import Samples, Whisper

_UPLOAD_LIMIT = 25_000_000
_WAITING_LIMIT = 8


class SpeechRequest(BaseModel):
    model: str = "default"
    input: str = Field(min_length=1, max_length=4096)
    voice: str = "heart"
    response_format: Literal["pcm", "wav"] = "wav"
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"


def router(stt: Hosted[Whisper], tts: Hosted[Hibari]) -> APIRouter:
    routes = APIRouter(prefix="/v1/audio")
    transcriber = _Transcriber(stt)
    voice_lock = asyncio.Lock()

    @routes.post("/transcriptions")
    async def _(
        file: Annotated[UploadFile, File()],
        model: Annotated[str, Form()] = "default",
        language: Annotated[str | None, Form()] = None,
        prompt: Annotated[str, Form()] = "",
        response_format: Annotated[Literal["json", "text", "verbose_json"], Form()] = "json",
    ) -> Response:
        stt.check_name(model)
        data = await file.read(_UPLOAD_LIMIT + 1)
        samples = samples_of(data, file.filename or "", file.content_type or "")
        text = await transcriber.transcribe(samples, language, prompt)
        if response_format == "text":
            return PlainTextResponse(text)
        if response_format == "json":
            return JSONResponse({"text": text})
        duration = len(samples) / whisper.RATE
        return JSONResponse(
            {"task": "transcribe", "language": language or "en", "duration": duration, "text": text}
        )

    @routes.post("/speech")
    async def _(request: SpeechRequest) -> Response:
        tts.check_name(request.model)
        if request.voice not in hibari.VOICES:
            known = ", ".join(hibari.VOICES)
            raise ApiError(400, "unknown_voice", f"No voice {request.voice!r}; there is: {known}.")
        chunks = _spoken(tts.ready(), voice_lock, request)
        if request.stream_format == "sse":
            return StreamingResponse(_events(chunks), media_type="text/event-stream")
        if request.response_format == "wav":
            return Response(_wav([chunk async for chunk in chunks]), media_type="audio/wav")
        return StreamingResponse(
            _pcm(chunks), media_type="audio/pcm", headers={"X-Sample-Rate": str(hibari.RATE)}
        )

    return routes


class _Transcriber:
    """A bounded queue before the decoders: who comes when it is full is sent away at once."""

    def __init__(self, stt: Hosted[Whisper]) -> None:
        self._stt = stt
        self._decoders = asyncio.Semaphore(Whisper.parallel)
        self._waiting = 0

    async def transcribe(self, samples: Samples, language: str | None, prompt: str) -> str:
        engine = self._stt.ready()
        if self._waiting >= _WAITING_LIMIT:
            raise ApiError(503, "overloaded", "Too many transcriptions are waiting.")
        self._waiting += 1
        try:
            async with self._decoders:
                return await asyncio.to_thread(engine.transcribe, samples, language, prompt)
        except ValueError as error:
            raise ApiError(400, "invalid_language", str(error)) from error
        finally:
            self._waiting -= 1


def samples_of(data: bytes, name: str, content_type: str) -> Samples:
    """16 kHz mono samples of a 16-bit WAV file, or of raw s16 at 16 kHz named ``.pcm``."""
    if len(data) > _UPLOAD_LIMIT:
        raise ApiError(413, "file_too_large", "The file is larger than 25 MB.")
    if name.endswith((".pcm", ".raw")) or content_type == "audio/pcm":
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / np.float32(
            32768
        )
    try:
        with wave.open(io.BytesIO(data)) as source:
            if source.getsampwidth() != 2:
                raise ApiError(400, "unsupported_format", "A WAV file must have 16-bit samples.")
            pcm = np.frombuffer(source.readframes(source.getnframes()), "<i2")
            channels, rate = source.getnchannels(), source.getframerate()
    except (wave.Error, EOFError) as error:
        message = "Only WAV files, and raw s16 at 16 kHz named .pcm, are understood."
        raise ApiError(400, "unsupported_format", message) from error
    mono = pcm[: len(pcm) // channels * channels].reshape(-1, channels).mean(axis=1) / 32768
    return _resampled(mono.astype(np.float32), rate)


def _resampled(samples: Samples, rate: int) -> Samples:
    if rate == whisper.RATE or not len(samples):
        return samples
    signal: Any = importlib.import_module("scipy.signal")  # a third of a second, rarely needed
    common = int(np.gcd(rate, whisper.RATE))
    resampled = signal.resample_poly(samples, whisper.RATE // common, rate // common)
    return cast("Samples", resampled.astype(np.float32))


async def _spoken(
    engine: Hibari, lock: asyncio.Lock, request: SpeechRequest
) -> AsyncIterator[SpeechChunk]:
    """Sentence by sentence, in a thread; requests take turns at the one voice."""
    chunks = engine.speak(request.input, request.speed, request.voice)
    while True:
        async with lock:
            chunk = await asyncio.to_thread(_next, chunks)
        if chunk is None:
            return
        yield chunk


def _next(chunks: Iterator[SpeechChunk]) -> SpeechChunk | None:
    return next(chunks, None)


async def _pcm(chunks: AsyncIterator[SpeechChunk]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk.pcm.astype("<i2").tobytes()


def _wav(chunks: list[SpeechChunk]) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sink:
        sink.setnchannels(1)
        sink.setsampwidth(2)
        sink.setframerate(hibari.RATE)
        for chunk in chunks:
            sink.writeframes(chunk.pcm.astype("<i2").tobytes())
    return buffer.getvalue()


async def _events(chunks: AsyncIterator[SpeechChunk]) -> AsyncIterator[str]:
    """OpenAI's speech events; ``sample_rate``, ``text``, ``words``, ``phonemes`` are additions.

    Times are seconds from the start of the same delta's audio.
    """
    try:
        async for chunk in chunks:
            yield _event(
                {
                    "type": "speech.audio.delta",
                    "audio": base64.b64encode(chunk.pcm.astype("<i2").tobytes()).decode(),
                    "sample_rate": chunk.sample_rate,
                    "text": chunk.text,
                    "words": [
                        {"text": w.text, "start_s": _ms(w.start_s), "end_s": _ms(w.end_s)}
                        for w in chunk.words
                    ],
                    "phonemes": [
                        {"symbol": p.symbol, "start_s": _ms(p.start_s), "end_s": _ms(p.end_s)}
                        for p in chunk.phonemes
                    ],
                }
            )
    except (RuntimeError, ValueError) as error:  # the headers are gone: tell it in the stream
        yield _event(body_of(500, "speech_failed", str(error)))
        return
    yield _event({"type": "speech.audio.done"})


def _event(data: dict[str, object]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def _ms(seconds: float) -> float:
    return round(seconds, 3)
