"""What a face costs the server: drawn here and encoded, or sent as poses.

python -m benchmarks.client_rendering
"""

import time

import numpy as np

from visavis.avatar import rig
from visavis.avatar.base import Phase, Playhead
from visavis.avatar.encoder import Vp8Encoder
from visavis.avatar.puppet import Puppet
from visavis.conversation.video import Render, VideoPump
from visavis.media import FPS, OUTPUT_RATE, EncodedVideo, PhonemeTime, SpeechChunk, TurnSpeech

FRAMES, WARM_UP = 400, 50
FRAME_US = 1_000_000 // FPS
SOUNDS = "həloʊwɜːldmbpæʃiː"
SOUND_S = 0.08


class Wire:
    """A room of which only the bytes are counted."""

    def __init__(self, *, takes_poses: bool) -> None:
        self.takes_poses = takes_poses
        self.sent = 0

    def push_video(self, packet: EncodedVideo, capture_us: int) -> None:
        self.sent += len(packet.data)

    def push_pose(self, data: bytes) -> bool:
        self.sent += len(data) if self.takes_poses else 0
        return self.takes_poses


def speech() -> TurnSpeech:
    """As many sounds as the frames last, one after the other."""
    count = int((FRAMES + WARM_UP) / FPS / SOUND_S) + 1
    sounds = [SOUNDS[n % len(SOUNDS)] for n in range(count)]
    times = [PhonemeTime(s, n * SOUND_S, (n + 1) * SOUND_S) for n, s in enumerate(sounds)]
    silence = np.zeros(int(count * SOUND_S * OUTPUT_RATE), np.int16)
    return TurnSpeech(1, 0.0, SpeechChunk(silence, OUTPUT_RATE, "", phonemes=tuple(times)))


def measure(render: Render) -> tuple[float, float]:
    """Milliseconds of CPU a frame, and kbit/s."""
    puppet = Puppet(rig.load(rig.find("ava")))
    puppet.push_speech(speech())
    wire = Wire(takes_poses=render == "client")
    pump = VideoPump(wire, puppet, Vp8Encoder(*puppet.size), render)  # type: ignore[arg-type]

    def show(frames: range) -> None:
        for n in frames:
            at_us = 1_000_000 + n * FRAME_US
            pump.submit(Playhead(at_us, Phase.SPEAKING, 1_000_000, 1, n / FPS))
            pump.draw_due()

    show(range(WARM_UP))
    wire.sent, start = 0, time.thread_time()
    show(range(WARM_UP, WARM_UP + FRAMES))
    return 1000 * (time.thread_time() - start) / FRAMES, wire.sent * 8 * FPS / FRAMES / 1000


def main() -> None:
    for render in ("server", "client"):
        cost_ms, kbit = measure(render)
        print(f"{render}: {cost_ms:.2f} ms of CPU a frame, {kbit:.1f} kbit/s")


if __name__ == "__main__":
    main()
