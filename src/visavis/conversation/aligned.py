"""A voice that knows no times: the embedded one says the same aside, and lends it its own."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import structlog

from visavis.avatar.alignment import align
from visavis.conversation.streams import closing, once
from visavis.media import SpeechChunk
from visavis.models.hibari import VOICES
from visavis.providers.base import ProviderError, TextToSpeech

log = structlog.stdlib.get_logger("visavis.conversation")

_GRACE_S = 0.25
"""How long sound that is due now waits for its times; then the lips follow its loudness."""
_LONGEST_S = 2.0
"""And how long it waits where enough speech is ahead."""

_Reference = tuple[str, asyncio.Task[list[SpeechChunk]]]


class AlignedVoice:
    """A ``TextToSpeech``: ``voice`` with the phonemes of ``reference``, found in its sound.

    The reference starts with the voice, clause by clause, so that it is mostly done when the
    voice's sound comes. Its failures are never the voice's. ``applies`` tells whether the
    reference speaks the language; a voice that gives times of its own is left alone.
    """

    def __init__(
        self, voice: TextToSpeech, reference: TextToSpeech, applies: Callable[[], bool]
    ) -> None:
        self._voice = voice
        self._reference = reference
        self._applies = applies
        self._needed = True

    async def speak(self, text: AsyncIterator[str], *, voice: str) -> AsyncIterator[SpeechChunk]:
        """See ``TextToSpeech``."""
        references: deque[_Reference] = deque()
        ahead = _Ahead()
        try:
            clauses = self._followed(text, references)
            async with (
                closing(clauses),
                closing(self._voice.speak(clauses, voice=voice)) as chunks,
            ):
                async for chunk in chunks:
                    self._needed = self._needed and not chunk.phonemes
                    timed = await self._timed(chunk, references, ahead.grace_s())
                    ahead.add(timed.duration_s)
                    yield timed
        finally:
            for _, task in references:
                task.cancel()
            await asyncio.gather(*(task for _, task in references), return_exceptions=True)

    async def _followed(
        self, text: AsyncIterator[str], references: deque[_Reference]
    ) -> AsyncIterator[str]:
        """``text``, its clauses being said by the reference from the moment that they pass."""
        async with closing(text):
            async for clause in text:
                if self._needed and clause.strip() and self._applies():
                    references.append((clause, asyncio.create_task(self._said(clause))))
                yield clause

    async def _said(self, clause: str) -> list[SpeechChunk]:
        try:
            async with closing(self._reference.speak(once(clause), voice=VOICES[0])) as chunks:
                return [chunk async for chunk in chunks]
        except ProviderError as error:
            log.info("reference_voice_failed", code=error.code)
            return []

    async def _timed(
        self, chunk: SpeechChunk, references: deque[_Reference], grace_s: float
    ) -> SpeechChunk:
        """The chunk with times, or as it came: of another text, too late, or not alike."""
        reference = _of(chunk.text, references)
        if chunk.phonemes or reference is None:
            return chunk
        try:
            async with asyncio.timeout(grace_s):
                known = await reference
                found = await asyncio.to_thread(align, chunk.pcm, chunk.sample_rate, known)
        except TimeoutError:
            return chunk
        if found is None:
            return chunk
        as_written = [word.text for word in found.words] == chunk.text.split()
        words = chunk.words or (found.words if as_written else ())
        return replace(chunk, phonemes=found.phonemes, words=words)


class _Ahead:
    """How much speech has been given that cannot have been heard yet."""

    def __init__(self) -> None:
        self._heard_by = 0.0

    def grace_s(self) -> float:
        left = self._heard_by - asyncio.get_running_loop().time()
        return min(max(_GRACE_S, left / 2), _LONGEST_S)

    def add(self, duration_s: float) -> None:
        now = asyncio.get_running_loop().time()
        self._heard_by = max(now, self._heard_by) + duration_s


def _of(text: str, references: deque[_Reference]) -> asyncio.Task[list[SpeechChunk]] | None:
    """The task that says ``text``; what came before it is no longer of use."""
    if all(clause != text for clause, _ in references):
        return None
    while True:
        clause, task = references.popleft()
        if clause == text:
            return task
        task.cancel()
