import numpy as np
import pytest

from visavis.conversation.feelings import Clause, Cue
from visavis.conversation.speaker import Resampler, Speaker, with_words
from visavis.conversation.streams import once
from visavis.media import OUTPUT_RATE, SpeechChunk, WordTime
from visavis.providers.base import ProviderError


def sine(samples, rate, start=0):
    t = (start + np.arange(samples)) / rate
    return (8000 * np.sin(2 * np.pi * 300 * t)).astype(np.int16)


class ScriptedTts:
    """Speaks each clause as 24 kHz sound; fails as told before clauses are spoken."""

    def __init__(self, *failures, after=0):
        self.failures = list(failures)
        self.after = after
        self.heard = []

    async def speak(self, text, *, voice):
        spoken = 0
        async for clause in text:
            self.heard.append(clause)
            if self.failures and spoken >= self.after:
                raise self.failures.pop(0)
            yield SpeechChunk(sine(2400, 24_000), 24_000, clause)
            spoken += 1


async def two():
    yield Clause("One two.")
    yield Clause("Three.")


BUSY = ProviderError("busy", "Try again.", retryable=True)
BROKEN = ProviderError("broken", "No.", retryable=False)


async def test_chunks_follow_each_other_on_the_turns_timeline():
    speech = [piece async for piece in Speaker(ScriptedTts(), "v").speak(7, two())]
    assert [piece.turn_id for piece in speech] == [7, 7]
    assert [piece.chunk.text for piece in speech] == ["One two.", "Three."]
    assert speech[0].start_s == 0.0
    assert speech[1].start_s == speech[0].end_s == pytest.approx(0.1, abs=0.002)
    assert all(piece.chunk.sample_rate == OUTPUT_RATE for piece in speech)


def test_resampling_leaves_no_seam():
    resampler = Resampler()
    whole = sine(24_000, 24_000)
    parts = [
        resampler.resample(SpeechChunk(whole[i : i + 2400], 24_000, "")).pcm
        for i in range(0, 24_000, 2400)
    ]
    sound = np.concatenate(parts).astype(np.int32)
    assert len(sound) == pytest.approx(48_000, abs=100)
    steepest = 8000 * 2 * np.pi * 300 / OUTPUT_RATE
    assert np.abs(np.diff(sound[200:])).max() < 1.1 * steepest


async def test_retry_speaks_every_clause_once():
    tts = ScriptedTts(BUSY)
    speech = [piece async for piece in Speaker(tts, "v").speak(1, two())]
    assert [piece.chunk.text for piece in speech] == ["One two.", "Three."]
    assert tts.heard == ["One two.", "One two.", "Three."]


@pytest.mark.parametrize(
    "tts", [ScriptedTts(BROKEN), ScriptedTts(BUSY, BUSY), ScriptedTts(BUSY, after=1)]
)
async def test_no_further_retry(tts):
    with pytest.raises(ProviderError):
        [piece async for piece in Speaker(tts, "v").speak(1, two())]


async def test_a_failure_of_the_text_is_not_retried_here():
    async def broken():
        yield Clause("One two.")
        raise BUSY

    tts = ScriptedTts()
    with pytest.raises(ProviderError):
        [piece async for piece in Speaker(tts, "v").speak(1, broken())]
    assert tts.heard == ["One two."]


def test_words_without_times_are_spread_over_the_sound():
    chunk = with_words(SpeechChunk(np.zeros(9000, np.int16), 1000, "a bbb cc"))
    assert [word.text for word in chunk.words] == ["a", "bbb", "cc"]
    assert chunk.words[0].start_s == 0.0
    assert chunk.words[-1].end_s == pytest.approx(9.0)
    assert chunk.words[1].end_s - chunk.words[1].start_s == pytest.approx(4.0)


def test_the_voices_own_times_are_kept():
    chunk = SpeechChunk(np.zeros(10, np.int16), 10, "hi", (WordTime("hi", 0.1, 0.2),))
    assert with_words(chunk) is chunk
    silent = SpeechChunk(np.zeros(10, np.int16), 10, "")
    assert with_words(silent).words == ()


async def test_clauses_are_closed_with_the_speech():
    closed = []

    async def endless():
        try:
            while True:
                yield Clause("Again and again.")
        finally:
            closed.append(True)

    speech = Speaker(ScriptedTts(), "v").speak(1, endless())
    await anext(speech)
    await speech.aclose()
    assert closed == [True]


async def test_once():
    assert [text async for text in once("x")] == ["x"]


class InSentences(ScriptedTts):
    """Two words a chunk, a tenth of a second each, whatever the clauses are."""

    async def speak(self, text, *, voice):
        async for clause in text:
            words = clause.replace("7", "seven").split()
            for at in range(0, len(words), 2):
                part = words[at : at + 2]
                yield SpeechChunk(sine(4800 * len(part), OUTPUT_RATE), OUTPUT_RATE, " ".join(part))


def felt_at(speech):
    return [
        (emotion.emotion, emotion.intensity, pytest.approx(piece.start_s + emotion.at_s, abs=0.02))
        for piece in speech
        for emotion in piece.chunk.emotions
    ]


async def clauses_of(*clauses):
    for clause in clauses:
        yield clause


async def test_a_feeling_begins_with_its_word_whatever_chunks_the_voice_makes():
    text = clauses_of(
        Clause("aa bb cc dd.", (Cue("happy", 0.7), Cue("sad", 0.5, 3))),
        Clause("ee ff gg.", (Cue("neutral", 1.0, 1),)),
        Clause("", (Cue("thoughtful", 0.2),)),
    )
    speech = [piece async for piece in Speaker(InSentences(), "v").speak(1, text)]
    assert len(speech) == 5
    assert felt_at(speech) == [
        ("happy", 0.7, 0.0),
        ("sad", 0.5, 0.3),
        ("neutral", 1.0, 0.5),
        ("thoughtful", 0.2, 0.45),
    ]


async def test_words_written_out_by_the_voice_shift_no_feeling_after_them():
    text = clauses_of(
        Clause("7 7 7 7 a b."), Clause("cc dd.", (Cue("sad", 1.0),)), Clause("ee ff.")
    )
    speech = [piece async for piece in Speaker(InSentences(), "v").speak(1, text)]
    assert [piece.chunk.text for piece in speech if piece.chunk.emotions] == ["cc dd."]
    assert felt_at(speech) == [("sad", 1.0, 0.6)]


async def test_a_retry_feels_everything_once():
    text = clauses_of(Clause("One two.", (Cue("happy", 0.5),)), Clause("Three."))
    speech = [piece async for piece in Speaker(ScriptedTts(BUSY), "v").speak(1, text)]
    assert felt_at(speech) == [("happy", 0.5, 0.0)]


async def test_feelings_alone_make_no_speech():
    text = clauses_of(Clause("", (Cue("happy", 0.5),)))
    assert [piece async for piece in Speaker(ScriptedTts(), "v").speak(1, text)] == []
