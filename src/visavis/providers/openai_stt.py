"""Speech-to-text over ``/audio/transcriptions``: the whole utterance, again and again."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import openai

from visavis.media import INPUT_RATE, AudioChunk, Pcm
from visavis.providers.base import Endpoint, Flush, ProviderError, Transcript
from visavis.providers.openai_http import client_for, provider_errors

_PARTIAL_EVERY = int(0.7 * INPUT_RATE)


class OpenAiSpeechToText:
    """A request per ``Flush``, on everything since the stream began.

    Between flushes, a partial for every 0.7 s of new sound; at most one is under way, and a flush
    gives it up rather than wait for it. ``prompt`` shows how names in it are spelt.
    """

    def __init__(self, endpoint: Endpoint, *, prompt: str = "") -> None:
        self._model = endpoint.model
        self._prompt = prompt or openai.omit
        self._client = client_for(endpoint)

    async def stream(
        self, audio: AsyncIterator[AudioChunk | Flush], *, language: str | None
    ) -> AsyncIterator[Transcript]:
        """See ``SpeechToText``. A partial that fails is left out; a final raises."""
        heard: list[Pcm] = []
        unseen = 0
        upcoming = asyncio.create_task(_next(audio))
        partial: asyncio.Task[str] | None = None
        try:
            while True:
                waiting: set[asyncio.Task[Any]] = {upcoming}
                waiting |= {partial} if partial is not None else set()
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if partial is not None and partial in done:
                    if text := _text_of(partial):
                        yield Transcript(text, final=False)
                    partial = None
                if upcoming not in done:
                    continue
                item = upcoming.result()
                if item is None:
                    return
                if isinstance(item, Flush):
                    if partial is not None:
                        partial.cancel()
                    partial, unseen = None, 0
                    yield Transcript(await self._transcribe(heard, language), final=True)
                else:
                    heard.append(item.pcm)
                    unseen += len(item.pcm)
                    if unseen >= _PARTIAL_EVERY and partial is None:
                        partial, unseen = (
                            asyncio.create_task(self._transcribe(list(heard), language)),
                            0,
                        )
                upcoming = asyncio.create_task(_next(audio))
        finally:
            left: set[asyncio.Task[Any]] = {upcoming}
            left |= {partial} if partial is not None else set()
            for task in left:
                task.cancel()
            await asyncio.wait(left)

    async def _transcribe(self, heard: list[Pcm], language: str | None) -> str:
        if not heard:
            return ""
        file = ("speech.wav", wav(np.concatenate(heard)), "audio/wav")
        with provider_errors("Speech recognition"):
            result = await self._client.audio.transcriptions.create(
                file=file,
                model=self._model,
                language=(language or "en").split("-")[0],
                response_format="json",
                prompt=self._prompt,
            )
        return result.text.strip()


def wav(pcm: Pcm) -> bytes:
    """A WAV file of 16 kHz mono."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sink:
        sink.setnchannels(1)
        sink.setsampwidth(2)
        sink.setframerate(INPUT_RATE)
        sink.writeframes(pcm.astype("<i2").tobytes())
    return buffer.getvalue()


async def _next(audio: AsyncIterator[AudioChunk | Flush]) -> AudioChunk | Flush | None:
    return await anext(audio, None)


def _text_of(partial: asyncio.Task[str]) -> str:
    try:
        return partial.result()
    except ProviderError:
        return ""
