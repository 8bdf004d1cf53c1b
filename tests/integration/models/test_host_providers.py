"""Our providers in conversation with our own model host."""

import asyncio
import time

import numpy as np
import pytest

from visavis.media import AudioChunk
from visavis.providers import resolve
from visavis.providers.base import Endpoint, Flush, Message, ProviderError, TextDelta

from .conftest import at_16_khz, free_port, in_ticks

pytestmark = pytest.mark.models

QUESTION = "Could you tell me where the gym is?"
STORY = [Message("user", "Tell me a very long story about the sea.")]


@pytest.fixture(autouse=True)
async def connections():
    yield
    await resolve.aclose()


def model(endpoint: Endpoint, max_tokens: int = 24, session: str = "s-1"):
    return resolve.language_model(
        endpoint, temperature=0, max_tokens=max_tokens, session_id=session
    )


async def texts(*clauses: str):
    for clause in clauses:
        yield clause


async def spoken(host, *clauses: str):
    voice = resolve.text_to_speech(host.endpoint)
    return [chunk async for chunk in voice.speak(texts(*clauses), voice="heart")]


async def test_clauses_become_chunks_with_times_in_order(host):
    chunks = await spoken(host, "Sure, I can help.", " ", "It is upstairs. Take the lift.")
    assert [chunk.text for chunk in chunks] == [
        "Sure, I can help.",
        "It is upstairs.",
        "Take the lift.",
    ]
    assert all(chunk.sample_rate == 24_000 and chunk.pcm.dtype == np.int16 for chunk in chunks)
    assert [word.text for word in chunks[0].words] == ["Sure,", "I", "can", "help."]
    assert chunks[0].phonemes[-1].end_s <= chunks[0].duration_s


async def test_a_flush_gets_the_whole_utterance_and_more_may_follow(host):
    chunk = (await spoken(host, QUESTION))[0]
    ticks = in_ticks(at_16_khz(chunk.pcm, chunk.sample_rate))

    async def audio():
        yield Flush()
        for tick in ticks:
            yield tick
        yield Flush()
        yield AudioChunk(np.zeros(320, np.int16), 0)
        yield Flush()

    stt = resolve.speech_to_text(host.endpoint)
    finals = [t.text async for t in stt.stream(audio(), language="en-US") if t.final]
    assert finals == ["", QUESTION, QUESTION]


async def test_partials_come_while_the_user_speaks(host):
    chunk = (await spoken(host, QUESTION))[0]
    ticks = in_ticks(at_16_khz(chunk.pcm, chunk.sample_rate))
    heard_partial = asyncio.Event()

    async def audio():
        for tick in ticks:
            yield tick
        await heard_partial.wait()  # a user who goes on thinking
        yield Flush()

    partials = []
    stt = resolve.speech_to_text(host.endpoint)
    async with asyncio.timeout(20):
        async for transcript in stt.stream(audio(), language=None):
            if not transcript.final:
                partials.append(transcript.text)
                heard_partial.set()
    assert partials[0].startswith("Could")


async def test_a_reply_streams(host):
    deltas = [delta async for delta in model(host.endpoint).reply(STORY)]
    assert len(deltas) > 5
    assert all(isinstance(delta, TextDelta) for delta in deltas)


async def test_closing_a_reply_frees_the_model_at_once(host):
    """The next reply of the same session needs the same slot of the cache."""
    begun = time.monotonic()
    everything = [d async for d in model(host.endpoint, max_tokens=100).reply(STORY)]
    whole_s = time.monotonic() - begun
    assert len(everything) > 50

    llm = model(host.endpoint, max_tokens=100)
    begun = time.monotonic()
    for _ in range(4):
        reply = llm.reply(STORY)
        await anext(reply)
        await reply.aclose()
    assert time.monotonic() - begun < whole_s * 2


async def test_a_long_prompt_can_be_given_up(host):
    llm = model(host.endpoint, max_tokens=1)
    long = [Message("user", "word " * 800)]
    begun = time.monotonic()
    [_ async for _ in llm.reply(long)]
    whole_s = time.monotonic() - begun

    begun = time.monotonic()
    given_up = asyncio.create_task(anext(llm.reply([Message("user", "thing " * 800)])))
    await asyncio.sleep(whole_s / 20)
    given_up.cancel()
    await asyncio.wait([given_up])
    [_ async for _ in llm.reply([Message("user", "Hi")])]
    assert time.monotonic() - begun < whole_s / 2


async def test_prefill_makes_the_first_reply_cheap(host):
    system = Message("system", "You work at the Riverside Hotel, near the lake. " * 20)
    llm = model(host.endpoint, max_tokens=1, session="prefilled")
    begun = time.monotonic()
    await llm.prefill([system])
    prefill_s = time.monotonic() - begun
    begun = time.monotonic()
    [_ async for _ in llm.reply([system, Message("user", "Hello?")])]
    assert time.monotonic() - begun < prefill_s / 2


async def test_a_prompt_that_is_too_long_is_not_worth_retrying(host):
    with pytest.raises(ProviderError) as failure:
        [_ async for _ in model(host.endpoint).reply([Message("user", "word " * 20_000)])]
    assert failure.value.code == "context_length_exceeded"
    assert not failure.value.retryable


async def test_a_wrong_key_is_not_worth_retrying(host):
    stranger = host.endpoint.model_copy(update={"api_key": "other"})
    with pytest.raises(ProviderError) as failure:
        await model(stranger).prefill(STORY)
    assert (failure.value.code, failure.value.retryable) == ("invalid_api_key", False)


async def test_a_host_that_is_down_is_worth_retrying():
    nobody = Endpoint(base_url=f"http://127.0.0.1:{free_port()}/v1", api_key="k", model="default")
    voice, stt = resolve.text_to_speech(nobody), resolve.speech_to_text(nobody)

    async def audio():
        yield AudioChunk(np.zeros(320, np.int16), 0)
        yield Flush()

    for attempt in (
        model(nobody).reply(STORY),
        voice.speak(texts("Hello."), voice="heart"),
        stt.stream(audio(), language="en"),
    ):
        with pytest.raises(ProviderError) as failure:
            [_ async for _ in attempt]
        assert failure.value.retryable
        assert failure.value.code == "unreachable"
