"""Decision to interrupt to silence at the room boundary: ``python -m benchmarks.barge_in``.

The real clock in its threads, drawing and encoding the real face; the room only notes when it was
handed what. The promise is 60 ms.
"""

import argparse
import asyncio
import random
import sys

import numpy as np

from visavis.avatar import rig
from visavis.avatar.encoder import Vp8Encoder
from visavis.avatar.puppet import Puppet, warm_up
from visavis.conversation.playout import Playout
from visavis.media import OUTPUT_RATE, SpeechChunk, TurnSpeech, now_us
from visavis.testing import MemoryRoom

PROMISE_MS = 60.0


async def measure(count: int) -> list[float]:
    """Delays in ms of ``count`` interruptions at random moments."""
    puppet = Puppet(rig.load(rig.find("ava")))
    warm_up()
    room, dice = MemoryRoom(), random.Random(0)
    playout = Playout(room, puppet, Vp8Encoder(*puppet.size), lambda event: None)
    running = asyncio.create_task(playout.run())
    delays: list[float] = []
    for turn_id in range(1, count + 1):
        await playout.play(_speech(turn_id))
        await room.until(lambda: bool(room.heard) and bool(room.heard[-1].pcm.any()))
        await asyncio.sleep(dice.uniform(0.1, 0.4))
        decided_us = now_us()
        playout.interrupt(turn_id)
        await room.until(lambda: not room.heard[-1].pcm.any())
        after = (tick for tick in room.heard if tick.at_us > decided_us and not tick.pcm.any())
        delays.append((next(after).at_us - decided_us) / 1000)
    running.cancel()
    await asyncio.wait([running])
    return delays


def _speech(turn_id: int) -> TurnSpeech:
    """Two seconds of something loud."""
    wave = np.sin(np.arange(2 * OUTPUT_RATE) * 2 * np.pi * 180 / OUTPUT_RATE) * 9000 + 300
    return TurnSpeech(turn_id, 0.0, SpeechChunk(wave.astype(np.int16), OUTPUT_RATE, "Aah."))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=40)
    given = options.parse_args()
    delays = asyncio.run(measure(given.count))
    median, p95, worst = np.percentile(delays, [50, 95, 100])
    print(f"decision to silence, {len(delays)} interruptions:")
    print(f"  median {median:.1f} ms   p95 {p95:.1f} ms   worst {worst:.1f} ms")
    print(f"promise, p95 <= {PROMISE_MS:.0f} ms: {'kept' if p95 <= PROMISE_MS else 'broken'}")
    sys.exit(int(p95 > PROMISE_MS))


if __name__ == "__main__":
    main()
