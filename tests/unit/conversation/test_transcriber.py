import asyncio

import numpy as np
import pytest

from visavis.conversation.transcriber import Transcriber
from visavis.media import AudioChunk
from visavis.providers.base import Flush, ProviderError, Transcript

BUSY = ProviderError("busy", "Try again.", retryable=True)
BROKEN = ProviderError("broken", "No.", retryable=False)


def chunk(i):
    return AudioChunk(np.full(320, i, np.int16), i)


class CountingStt:
    """Transcribes a pause as the chunks heard before it; fails at the pauses in ``failures``."""

    def __init__(self, *failures):
        self.failures = list(failures)

    async def stream(self, audio, *, language):
        heard = []
        async for item in audio:
            if not isinstance(item, Flush):
                heard.append(str(item.capture_us))
                continue
            failure = self.failures.pop(0) if self.failures else None
            if failure:
                raise failure
            yield Transcript(" ".join(heard[:1]), final=False)
            yield Transcript(" ".join(heard), final=True)


async def finals(transcriber):
    got = []
    await transcriber.run(got.append)
    return [transcript.text for transcript in got if transcript.final]


def utterance(stt):
    transcriber = Transcriber(stt, "en")
    transcriber.hear(chunk(1))
    transcriber.pause()
    transcriber.hear(chunk(2))
    transcriber.pause()
    transcriber.close()
    return transcriber


async def test_a_final_for_every_pause_of_all_that_was_said():
    assert await finals(utterance(CountingStt())) == ["1", "1 2"]


async def test_sound_that_comes_while_it_listens():
    transcriber = Transcriber(CountingStt(), "en")
    running = asyncio.create_task(finals(transcriber))
    for i in range(3):
        await asyncio.sleep(0)
        transcriber.hear(chunk(i))
    assert transcriber.current
    transcriber.pause()
    assert not transcriber.current
    for _ in range(5):
        await asyncio.sleep(0)
    assert transcriber.current
    transcriber.close()
    assert await running == ["0 1 2"]


async def test_a_retry_repeats_the_sound_but_no_transcript():
    assert await finals(utterance(CountingStt(None, BUSY))) == ["1", "1 2"]


@pytest.mark.parametrize("failures", [[BROKEN], [BUSY, BUSY]])
async def test_no_further_retry(failures):
    with pytest.raises(ProviderError):
        await finals(utterance(CountingStt(*failures)))
