"""One utterance on its way through speech-to-text."""

import asyncio
from collections.abc import AsyncIterator, Callable

from visavis.media import TICK_MS, AudioChunk
from visavis.providers.base import Flush, ProviderError, SpeechToText, Transcript

MAX_CHUNKS = 30_000 // TICK_MS


class Transcriber:
    """Keeps the utterance's sound (bounded by the listener) so that a failed try can be repeated.

    A transcript is *current* while no sound of speech came after the pause that it answers.
    """

    def __init__(self, stt: SpeechToText, language: str | None) -> None:
        self._stt = stt
        self._language = language
        self._heard: list[AudioChunk | Flush] = []
        self._more = asyncio.Event()
        self._closed = False
        self._flushes = 0
        self._answered = 0

    @property
    def current(self) -> bool:
        """Whether the last pause has its transcript."""
        return self._answered == self._flushes

    @property
    def full(self) -> bool:
        """Whether it has heard as much as one transcript can be made of."""
        return len(self._heard) >= MAX_CHUNKS

    def hear(self, chunk: AudioChunk) -> None:
        self._heard.append(chunk)
        self._more.set()

    def pause(self) -> None:
        """The user stopped for a moment: transcribe what was said so far."""
        self._flushes += 1
        self._heard.append(Flush())
        self._more.set()

    def close(self) -> None:
        """Nothing more will be said."""
        self._closed = True
        self._more.set()

    async def run(self, report: Callable[[Transcript], None]) -> None:
        """Transcribe until closed; ``report`` gets partials, and a final per pause in order.

        Tries a second time after a retryable error, then raises ``ProviderError``.
        """
        try:
            await self._attempt(report)
        except ProviderError as error:
            if not error.retryable:
                raise
            await self._attempt(report)

    async def _attempt(self, report: Callable[[Transcript], None]) -> None:
        finals = 0
        async for transcript in self._stt.stream(self._audio(), language=self._language):
            finals += transcript.final
            if finals > self._answered or not transcript.final:
                self._answered = max(self._answered, finals)
                report(transcript)

    async def _audio(self) -> AsyncIterator[AudioChunk | Flush]:
        sent = 0
        while True:
            while sent < len(self._heard):
                yield self._heard[sent]
                sent += 1
            if self._closed:
                return
            self._more.clear()
            await self._more.wait()
