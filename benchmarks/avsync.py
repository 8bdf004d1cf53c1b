"""How far sound and picture are apart at a real browser: ``python -m benchmarks.avsync``.

A beep and a white flash leave the playout clock together every second and take the real path:
clock, encoder, room, network, Chromium's jitter buffers, screen and loudspeaker. Skew is flash
minus beep, positive where the picture is late.

- The flash is where its frame is expected on the screen (requestVideoFrameCallback).
- The beep is where its packet went to the <video> element's audio output (the receiver's
  synchronization source) plus that output's own delay (the media-playout statistics), which is
  the sum that Chromium itself synchronises pictures to.
- A WebAudio probe (AudioWorklet onset, moved by its context's output timestamp) hears the beep
  too. It taps a copy that is buffered once more on its way into the audio context, a path that
  nobody listens to; it is printed as a check: it must be late by a constant.

Compensated, since it is the method's and not the path's: pictures exist every 40 ms and sound
every 20, so the first white frame may be drawn 20 ms after the beep's first sample; that known
offset is taken off. Nothing else is.
"""

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import async_playwright

from visavis.avatar.base import Playhead
from visavis.avatar.encoder import Vp8Encoder
from visavis.conversation.playout import Playout
from visavis.media import I420, OUTPUT_RATE, SpeechChunk, TurnSpeech
from visavis.rooms.base import KeyFrameRequest, WebRtcRoom
from visavis.rooms.webrtc import Engine, open_room

SIZE = (512, 512)
BEEP_S = 0.12
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


class FlashAvatar:
    """White while the beep sounds, else dark with something that moves."""

    size = SIZE

    def __init__(self) -> None:
        self.late_s: list[float] = []
        """How long after the beep's first sample each first white frame was due."""
        self._bright = False
        shade = np.linspace(30, 80, SIZE[0]) + 10 * np.sin(np.arange(SIZE[0]) / 9)
        self._dark = np.tile(shade.astype(np.uint8), (SIZE[1], 1))

    def push_speech(self, speech: TurnSpeech) -> None: ...

    def feel(self, emotion: str, intensity: float) -> None: ...

    def clear(self, turn_id: int) -> None: ...

    def frame(self, at: Playhead, out: I420) -> None:
        into = None if at.position_s is None else at.position_s % 1.0
        bright = into is not None and into < BEEP_S
        if bright and not self._bright:
            self.late_s.append(into or 0.0)
        self._bright = bright
        out.y[:] = 235 if bright else self._dark
        if not bright:  # something moves, or the encoder would have nothing to do
            column = at.capture_us // 40_000 * 4 % (SIZE[0] - 64)
            out.y[384:448, column : column + 64] = 110
        out.u[:] = out.v[:] = 128


def beep_and_silence() -> SpeechChunk:
    """One second that starts with a beep."""
    t = np.arange(OUTPUT_RATE) / OUTPUT_RATE
    wave = np.where(t < BEEP_S, 0.5 * np.cos(2 * np.pi * 1000 * t), 0.0)
    return SpeechChunk((wave * 32767).astype(np.int16), OUTPUT_RATE, "beep")


async def perform(room: WebRtcRoom, avatar: FlashAvatar, seconds: int) -> Playout:
    playout = Playout(room, avatar, Vp8Encoder(*SIZE), lambda event: None)

    async def obey() -> None:
        async for feedback in room.feedback():
            if isinstance(feedback, KeyFrameRequest):
                playout.video.request_keyframe()
            else:
                playout.video.set_bitrate(feedback.bitrate_bps)

    running = [asyncio.create_task(playout.run()), asyncio.create_task(obey())]
    try:
        for second in range(seconds):
            await playout.play(TurnSpeech(1, float(second), beep_and_silence()))
        playout.finish(1)
        await asyncio.sleep(9)  # what is still buffered
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return playout


async def measure(engine: Engine, seconds: int) -> dict[str, Any]:
    avatar = FlashAvatar()
    room = open_room(engine=engine, ice_servers=(), size=SIZE)
    page_text = Path(__file__).with_suffix(".html").read_text()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(room.close)
        driver = await stack.enter_async_context(async_playwright())
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        stack.push_async_callback(browser.close)
        page = await browser.new_page()
        await page.expose_function("answer", room.answer)
        await page.route("**/*", lambda r: r.fulfill(body=page_text, content_type="text/html"))
        await page.goto("http://localhost/")
        started = time.monotonic()
        joining = asyncio.ensure_future(page.evaluate("join()"))
        await room.connect()
        connected_ms = (time.monotonic() - started) * 1000
        await joining
        cpu = time.process_time()
        clock = time.monotonic()
        playout = await perform(room, avatar, seconds)
        cpu_percent = 100 * (time.process_time() - cpu) / (time.monotonic() - clock)
        report: dict[str, Any] = await page.evaluate("report()")
    late_ms = 1000 * statistics.median(avatar.late_s)
    return report | {
        "late_ms": late_ms,
        "connected_ms": connected_ms,
        "cpu_percent": cpu_percent,
        "dropped": playout.video.frames_dropped,
    }


def nearest(times: Sequence[float], to: float) -> float:
    return min(times, key=lambda at: abs(at - to), default=float("inf"))


def skews(report: dict[str, Any]) -> list[tuple[float, float]]:
    """(time in s, skew in ms) of every beep that has a flash within half a second."""
    beeps = [at + report["output_ms"] for at in report["delivered"]]
    pairs = [(beep, nearest(report["flashes"], beep)) for beep in beeps]
    return [
        ((beep - beeps[0]) / 1000, flash - beep - report["late_ms"])
        for beep, flash in pairs
        if abs(flash - beep) < 450
    ]


def probe_delay(report: dict[str, Any]) -> float:
    """How much later than the listener the WebAudio probe hears a beep, median in ms."""
    beeps = [at + report["output_ms"] for at in report["delivered"]]
    delays = [nearest(report["tapped"], beep) - beep for beep in beeps]
    return statistics.median(delays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--engine", choices=["auto", "reactor", "aiortc"], default="auto")
    parser.add_argument("--verbose", action="store_true", help="print every beep")
    arguments = parser.parse_args()
    report = asyncio.run(measure(arguments.engine, arguments.seconds))
    pairs = skews(report)
    if len(pairs) < arguments.seconds // 2:
        raise SystemExit(f"only {len(pairs)} of {arguments.seconds} beeps met their flash")
    if arguments.verbose:
        for at, skew in pairs:
            print(f"{at:7.2f} s {skew:+7.1f} ms")
        print(report["received"])
    times, values = np.array(pairs).T
    slope = np.polyfit(times, values, 1)[0] * 60
    print(f"connected after      {report['connected_ms']:8.0f} ms")
    print(f"server CPU           {report['cpu_percent']:8.1f} % of a core")
    print(f"frames shown         {report['shown']:8d}   dropped by us {report['dropped']}")
    print(f"audio output delay   {report['output_ms']:8.1f} ms")
    print(f"WebAudio probe later {probe_delay(report):+8.1f} ms")
    print(f"beeps with a flash   {len(pairs):8d}")
    print(f"skew, median         {np.median(values):+8.1f} ms (positive: picture late)")
    print(f"|skew|, median       {np.median(np.abs(values)):8.1f} ms")
    print(f"|skew|, p95          {np.percentile(np.abs(values), 95):8.1f} ms")
    print(f"drift                {slope:+8.1f} ms a minute")


if __name__ == "__main__":
    main()
