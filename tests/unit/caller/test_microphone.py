import asyncio

import numpy as np
import pytest

from visavis.caller.microphone import HungUp, Microphone, Spoken
from visavis.media import OUTPUT_RATE, OUTPUT_TICK


async def _frames(microphone: Microphone, count: int) -> np.ndarray:
    frames = [await microphone.recv() for _ in range(count)]
    assert [frame.pts for frame in frames] == [n * OUTPUT_TICK for n in range(count)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


async def test_what_is_said_leaves_unchanged_between_room_noise() -> None:
    microphone = Microphone()
    speech = np.full(OUTPUT_TICK + 300, 9000, np.int16)
    saying = asyncio.create_task(microphone.say(speech))
    await asyncio.sleep(0)
    pcm = await _frames(microphone, 4)
    spoken = await saying
    assert (pcm == 9000).sum() == len(speech)
    assert np.flatnonzero(pcm == 9000).tolist() == list(range(len(speech)))
    quiet = pcm[len(speech) :]
    assert 0 < np.abs(quiet).max() < 10
    assert spoken.end_s - spoken.start_s == pytest.approx(len(speech) / OUTPUT_RATE, abs=1e-6)


async def test_hanging_up_ends_an_utterance() -> None:
    microphone = Microphone()
    saying = asyncio.create_task(microphone.say(np.ones(OUTPUT_RATE, np.int16)))
    await asyncio.sleep(0)
    microphone.hang_up()
    with pytest.raises(HungUp):
        await saying
    with pytest.raises(HungUp):
        await microphone.say(np.ones(10, np.int16))


async def test_one_utterance_at_a_time() -> None:
    microphone = Microphone()
    first: asyncio.Task[Spoken] = asyncio.create_task(microphone.say(np.ones(10, np.int16)))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already speaking"):
        await microphone.say(np.ones(10, np.int16))
    await _frames(microphone, 1)
    await first
