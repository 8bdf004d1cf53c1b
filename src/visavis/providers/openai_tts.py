"""Text-to-speech over ``/audio/speech``, with word and phoneme times where the server has them."""

import io
import wave
from collections.abc import AsyncIterator

import numpy as np
import openai
from pydantic import Base64Bytes, BaseModel, ValidationError

from visavis.media import Pcm, PhonemeTime, SpeechChunk, WordTime
from visavis.providers.base import Endpoint, ProviderError
from visavis.providers.openai_http import client_for, provider_errors

_RATE = 24_000
"""What OpenAI's ``pcm`` is, where nothing else is said."""
_CLAUSE_LIMIT = 10_000_000
"""Bytes of sound for one clause: three minutes, which no clause is."""


class _Word(BaseModel):
    text: str
    start_s: float
    end_s: float


class _Phoneme(BaseModel):
    symbol: str
    start_s: float
    end_s: float


class _Event(BaseModel):
    """OpenAI's speech event; all but ``type`` and ``audio`` are our host's additions."""

    type: str = ""
    audio: Base64Bytes = b""
    sample_rate: int = _RATE
    text: str | None = None
    words: list[_Word] = []
    phonemes: list[_Phoneme] = []
    error: dict[str, object] | None = None


class OpenAiTextToSpeech:
    """A request per clause. Servers that know no event stream are asked for plain sound."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._model = endpoint.model
        self._client = client_for(endpoint)
        self._has_events = True

    async def speak(self, text: AsyncIterator[str], *, voice: str) -> AsyncIterator[SpeechChunk]:
        """See ``TextToSpeech``. Without times, a clause is one chunk."""
        async for clause in text:
            if not clause.strip():
                continue
            with provider_errors("The voice"):
                async for chunk in self._clause(clause, voice):
                    yield chunk

    async def _clause(self, clause: str, voice: str) -> AsyncIterator[SpeechChunk]:
        if self._has_events:
            try:
                async for chunk in self._request(clause, voice, events=True):
                    yield chunk
                return
            except openai.BadRequestError as error:
                if error.code == "unknown_voice":
                    raise
                self._has_events = False
        async for chunk in self._request(clause, voice, events=False):
            yield chunk

    async def _request(
        self, clause: str, voice: str, *, events: bool
    ) -> AsyncIterator[SpeechChunk]:
        async with self._client.audio.speech.with_streaming_response.create(
            model=self._model,
            voice=voice,
            input=clause,
            response_format="pcm",
            stream_format="sse" if events else openai.omit,
        ) as response:
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                async for chunk in _chunks(response.iter_lines(), clause):
                    yield chunk
            else:
                self._has_events = False
                yield await _plain(response.iter_bytes(), clause)


async def _chunks(lines: AsyncIterator[str], clause: str) -> AsyncIterator[SpeechChunk]:
    """The speech in an event stream. Deltas that do not say what they speak are one chunk."""
    untold: list[Pcm] = []
    rate = _RATE
    async for line in lines:
        event = _event(line)
        if event is None or event.type != "speech.audio.delta":
            continue
        pcm = np.frombuffer(event.audio, "<i2").astype(np.int16)
        rate = event.sample_rate
        if event.text is None:
            untold.append(pcm)
        elif len(pcm):
            yield SpeechChunk(
                pcm=pcm,
                sample_rate=rate,
                text=event.text,
                words=tuple(WordTime(w.text, w.start_s, w.end_s) for w in event.words),
                phonemes=tuple(PhonemeTime(p.symbol, p.start_s, p.end_s) for p in event.phonemes),
            )
    if untold:
        yield SpeechChunk(pcm=np.concatenate(untold), sample_rate=rate, text=clause)


def _event(line: str) -> _Event | None:
    data = line.removeprefix("data:").strip()
    if not line.startswith("data:") or data == "[DONE]":
        return None
    try:
        event = _Event.model_validate_json(data)
    except ValidationError as error:
        message = "The voice sent an event that makes no sense."
        raise ProviderError("bad_event", message, retryable=False) from error
    if event.error is not None:
        raise ProviderError("failed", f"The voice: {event.error.get('message')}", retryable=True)
    return event


async def _plain(sound: AsyncIterator[bytes], clause: str) -> SpeechChunk:
    data = bytearray()
    async for piece in sound:
        data += piece
        if len(data) > _CLAUSE_LIMIT:
            raise ProviderError("too_long", "The voice does not stop speaking.", retryable=False)
    pcm, rate = _decode(bytes(data))
    return SpeechChunk(pcm=pcm, sample_rate=rate, text=clause)


def _decode(data: bytes) -> tuple[Pcm, int]:
    """Samples and their rate: raw s16, or a WAV file from servers that send nothing else."""
    if not data.startswith(b"RIFF"):
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16), _RATE
    try:
        with wave.open(io.BytesIO(data)) as source:
            pcm = np.frombuffer(source.readframes(source.getnframes()), "<i2").astype(np.int16)
            return pcm[:: source.getnchannels()], source.getframerate()
    except (wave.Error, EOFError, ValueError) as error:
        raise ProviderError(
            "bad_audio", "The voice sent no readable sound.", retryable=False
        ) from error
