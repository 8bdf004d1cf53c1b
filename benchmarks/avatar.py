"""What a speaking face costs: `python -m benchmarks.avatar [--character ava] [--seconds 8]`.

Milliseconds of CPU time on one thread, per frame: the pose, drawing it into I420, and encoding it
as VP8. What drawing leaves behind in memory and takes for a moment. Also how long the kernels take
to load, cold (no numba cache) and warm.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from visavis.avatar import rig
from visavis.avatar.base import Phase, Playhead
from visavis.avatar.encoder import Vp8Encoder
from visavis.avatar.ground import Look
from visavis.avatar.puppet import Puppet, warm_up
from visavis.media import FPS, I420, OUTPUT_RATE, PhonemeTime, SpeechChunk, TurnSpeech

T = TypeVar("T")

_SAYS = "hələʊmIneɪmɪzAvəwʊdjulIktətɔkəbWtmWntənzpɪɹədz"
_PROTOTYPE = {512: "4.0-4.5", 720: "6.5-6.8", 1080: "13"}
"""Milliseconds, published with it, on such a machine."""
_WARM = (
    "import time; t = time.perf_counter(); from visavis.avatar.puppet import warm_up; warm_up();"
    " print(time.perf_counter() - t)"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--character", default="ava")
    parser.add_argument("--seconds", type=float, default=8)
    arguments = parser.parse_args()
    _start_up()
    face = rig.load(rig.find(arguments.character))
    warm_up()
    columns = ("pose", "draw into I420", "VP8", "all")
    print(f"\n{'':8}{''.join(f'{name:>17}' for name in columns)}   ms p50 / p95")
    for side, bitrate in ((512, 600_000), (720, 1_200_000), (1080, 2_500_000)):
        _frames(face, side, bitrate, int(arguments.seconds * FPS))
    for side in (512, 720, 1080):
        _memory(face, side)


def _start_up() -> None:
    with tempfile.TemporaryDirectory() as cache:
        for name in ("cold", "warm"):
            started = subprocess.run(
                [sys.executable, "-c", _WARM],
                env=os.environ | {"NUMBA_CACHE_DIR": cache},
                capture_output=True,
                text=True,
                check=True,
                timeout=300,
                cwd=Path(__file__).parents[1],
            )
            print(f"imports and kernels, {name}: {float(started.stdout):.2f} s")


def _frames(face: rig.Rig, side: int, bitrate: int, count: int) -> None:
    puppet, encoder = _speaking(face, side, count / FPS), Vp8Encoder(side, side, bitrate)
    out = I420.empty(side, side)
    spent: list[tuple[float, float, float]] = []
    size = 0
    for i in range(count):
        pose, posing = _timed(lambda i=i: puppet.pose(_moment(i)))
        _, drawing = _timed(lambda pose=pose: puppet.draw(pose, out))
        packet, encoding = _timed(lambda i=i: encoder.encode(out, i))
        spent.append((posing, drawing, encoding))
        size += len(packet.data)
    table = np.array(spent)
    columns = [*table.T, table.sum(1)]
    cells = "".join(f"{np.median(c):9.2f} /{np.percentile(c, 95):6.2f}" for c in columns)
    before = f"prototype, pose and drawing: {_PROTOTYPE[side]}"
    print(f"{side:<8}{cells}   {size * 8 * FPS / count / 1000:.0f} kbit/s   {before}")


def _memory(face: rig.Rig, side: int, count: int = 200) -> None:
    """What Python and NumPy allocate while ``count`` poses, made beforehand, are drawn."""
    puppet, out = _speaking(face, side, (count + 50) / FPS), I420.empty(side, side)
    poses = [puppet.pose(_moment(i)) for i in range(count + 50)]
    for pose in poses[:50]:
        puppet.draw(pose, out)
    tracemalloc.start()
    before, highest = tracemalloc.get_traced_memory()[0], 0
    for pose in poses[50:]:
        tracemalloc.reset_peak()
        start = tracemalloc.get_traced_memory()[0]
        puppet.draw(pose, out)
        highest = max(highest, tracemalloc.get_traced_memory()[1] - start)
    stays = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    picture = out.buffer.nbytes
    print(
        f"{side:<8}memory over {count} frames drawn: {stays} bytes stay; at most {highest} bytes"
        f" at a time within a frame (a picture is {picture})"
    )


def _speaking(face: rig.Rig, side: int, seconds: float) -> Puppet:
    """A puppet that has something to say for so long, in turn 1."""
    puppet = Puppet(face, size=(side, side), look=Look(badge=True))
    times = tuple(PhonemeTime(s, i * 0.075, (i + 1) * 0.075) for i, s in enumerate(_SAYS))
    silence = np.zeros(int(times[-1].end_s * OUTPUT_RATE), np.int16)
    chunk = SpeechChunk(silence, OUTPUT_RATE, "", phonemes=times)
    for n in range(int(seconds / chunk.duration_s) + 1):
        puppet.push_speech(TurnSpeech(1, n * chunk.duration_s, chunk))
    return puppet


def _moment(i: int) -> Playhead:
    return Playhead(i * 1_000_000 // FPS, Phase.SPEAKING, 0, 1, i / FPS)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """The result, and milliseconds of this thread's CPU time."""
    start = time.thread_time()
    result = work()
    return result, (time.thread_time() - start) * 1e3


if __name__ == "__main__":
    main()
