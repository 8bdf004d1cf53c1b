"""A voice without times gets those of a reference, and is never harmed by it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.avatar.formants import LASTS, PACES, SAID, spoken
from visavis.avatar import alignment
from visavis.conversation.aligned import AlignedVoice
from visavis.media import SpeechChunk
from visavis.providers.base import ProviderError

KNOWN = spoken(LASTS, 24_000, pitch_hz=200)
OTHER = spoken(LASTS * PACES, 24_000, pitch_hz=140)


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    alignment.warm_up()


class Voice:
    """Says the same sound for every clause, with or without its times."""

    def __init__(self, chunk: SpeechChunk, *, timed: bool) -> None:
        self.chunk = chunk if timed else replace(chunk, phonemes=(), words=())
        self.heard: list[str] = []

    async def speak(self, text: AsyncIterator[str], *, voice: str) -> AsyncIterator[SpeechChunk]:
        async for clause in text:
            self.heard.append(clause)
            yield replace(self.chunk, text=clause)


class Failing:
    async def speak(self, text: AsyncIterator[str], *, voice: str) -> AsyncIterator[SpeechChunk]:
        async for _ in text:
            raise ProviderError("failed", "No.", retryable=False)
        yield KNOWN


class Stuck:
    """Never answers; notes that its requests are called off."""

    cancelled = 0

    async def speak(self, text: AsyncIterator[str], *, voice: str) -> AsyncIterator[SpeechChunk]:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled += 1
        yield KNOWN


async def two() -> AsyncIterator[str]:
    yield "mosey moo pesmah"
    yield "moosey"


def always() -> bool:
    return True


async def said(voice: AlignedVoice) -> list[SpeechChunk]:
    return [chunk async for chunk in voice.speak(two(), voice="theirs")]


async def test_phonemes_come_from_the_reference_and_fit_the_sound() -> None:
    reference = Voice(KNOWN, timed=True)
    chunks = await said(AlignedVoice(Voice(OTHER, timed=False), reference, always))
    assert reference.heard == ["mosey moo pesmah", "moosey"]
    for chunk in chunks:
        assert [p.symbol for p in chunk.phonemes] == list(SAID)
        away = [
            abs(a.start_s - b.start_s) for a, b in zip(chunk.phonemes, OTHER.phonemes, strict=True)
        ]
        assert np.median(away) < 0.015
        np.testing.assert_array_equal(chunk.pcm, OTHER.pcm)


async def test_words_are_taken_only_where_they_are_those_written() -> None:
    chunks = await said(AlignedVoice(Voice(OTHER, timed=False), Voice(KNOWN, timed=True), always))
    assert [chunk.words for chunk in chunks] == [(), ()]  # "mosey" is not all that is written


async def test_a_voice_with_times_is_left_alone_and_asked_about_once() -> None:
    reference = Voice(KNOWN, timed=True)
    voice = AlignedVoice(Voice(OTHER, timed=True), reference, always)
    for _ in range(2):
        assert [chunk.phonemes for chunk in await said(voice)] == [OTHER.phonemes] * 2
    assert len(reference.heard) <= 1


@pytest.mark.parametrize("reference", [Failing(), Voice(replace(KNOWN, phonemes=()), timed=True)])
async def test_a_reference_that_cannot_help_does_no_harm(reference: Voice | Failing) -> None:
    chunks = await said(AlignedVoice(Voice(OTHER, timed=False), reference, always))
    assert [chunk.text for chunk in chunks] == ["mosey moo pesmah", "moosey"]
    assert [chunk.phonemes for chunk in chunks] == [(), ()]


async def test_a_reference_that_is_late_is_not_waited_for() -> None:
    stuck = Stuck()
    async with asyncio.timeout(10):
        chunks = await said(AlignedVoice(Voice(OTHER, timed=False), stuck, always))
    assert [chunk.phonemes for chunk in chunks] == [(), ()]
    assert stuck.cancelled == 2


async def test_a_language_that_the_reference_does_not_speak_is_not_asked_for() -> None:
    reference = Voice(KNOWN, timed=True)
    chunks = await said(AlignedVoice(Voice(OTHER, timed=False), reference, lambda: False))
    assert [chunk.phonemes for chunk in chunks] == [(), ()]
    assert reference.heard == []


async def test_closing_the_speech_calls_the_reference_off() -> None:
    stuck = Stuck()

    async def fast() -> AsyncIterator[str]:
        for _ in range(3):
            yield "ah"

    class Hungry:
        async def speak(
            self, text: AsyncIterator[str], *, voice: str
        ) -> AsyncIterator[SpeechChunk]:
            clauses = [clause async for clause in text]
            await asyncio.sleep(0)
            for _ in clauses:
                yield replace(OTHER, text="something else", phonemes=())

    speech = AlignedVoice(Hungry(), stuck, always).speak(fast(), voice="v")
    assert (await anext(speech)).phonemes == ()
    await speech.aclose()
    assert stuck.cancelled == 3
