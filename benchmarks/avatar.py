"""What a speaking face costs: `python -m benchmarks.avatar [--character ava] [--seconds 8]`.

Milliseconds of CPU time on one thread, per frame: the pose, drawing it into I420, and encoding it
as VP8. Also how long the kernels take to load, cold (no numba cache) and warm.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from visavis.avatar import rig
from visavis.avatar.base import Phase, Playhead
from visavis.avatar.encoder import Vp8Encoder
from visavis.avatar.puppet import Puppet, warm_up
from visavis.media import FPS, I420, OUTPUT_RATE, PhonemeTime, SpeechChunk, TurnSpeech

T = TypeVar("T")

_SAYS = "hələʊmIneɪmɪzAvəwʊdjulIktətɔkəbWtmWntənzpɪɹədz"
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
    print(f"\n{'':8}{'pose':>16}{'draw + I420':>16}{'VP8':>16}{'all':>16}   ms p50 / p95")
    for side, bitrate in ((512, 600_000), (720, 1_200_000)):
        _frames(face, side, bitrate, int(arguments.seconds * FPS))


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
    puppet, encoder = Puppet(face, size=(side, side)), Vp8Encoder(side, side, bitrate)
    out = I420.empty(side, side)
    seconds = count / FPS
    times = tuple(PhonemeTime(s, i * 0.075, (i + 1) * 0.075) for i, s in enumerate(_SAYS))
    silence = np.zeros(int(times[-1].end_s * OUTPUT_RATE), np.int16)
    chunk = SpeechChunk(silence, OUTPUT_RATE, "", phonemes=times)
    for n in range(int(seconds / chunk.duration_s) + 1):
        puppet.push_speech(TurnSpeech(1, n * chunk.duration_s, chunk))
    spent: list[tuple[float, float, float]] = []
    size = 0
    for i in range(count):
        at = Playhead(i * 1_000_000 // FPS, Phase.SPEAKING, 0, 1, i / FPS)
        pose, posing = _timed(lambda at=at: puppet.pose(at))
        _, drawing = _timed(lambda pose=pose: puppet.draw(pose, out))
        packet, encoding = _timed(lambda i=i: encoder.encode(out, i))
        spent.append((posing, drawing, encoding))
        size += len(packet.data)
    table = np.array(spent)
    columns = [*table.T, table.sum(1)]
    cells = "".join(f"{np.median(c):8.2f} /{np.percentile(c, 95):6.2f}" for c in columns)
    print(f"{side:<8}{cells}   {size * 8 / seconds / 1000:.0f} kbit/s")


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """The result, and milliseconds of this thread's CPU time."""
    start = time.thread_time()
    result = work()
    return result, (time.thread_time() - start) * 1e3


if __name__ == "__main__":
    main()
