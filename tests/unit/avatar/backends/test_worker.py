"""Real processes, real sockets: the reference worker, and workers that misbehave."""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from visavis.avatar.backends import worker_kit as kit
from visavis.avatar.backends.base import AudioPiece, BackendError, Control, Frame
from visavis.avatar.backends.process import FaceProcess
from visavis.avatar.backends.worker import WorkerBackend, WorkerStream
from visavis.avatar.base import Phase

REFERENCE = [sys.executable, "-m", "visavis.avatar.backends.reference_worker"]
SIZE = (384, 384)
RATE = 48_000


def vowels(seconds: float) -> np.ndarray:
    """A buzz that swells four times a second, as syllables do."""
    t = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * n * t) / n for n in range(1, 20))
    return (buzz * (0.5 - 0.5 * np.cos(2 * np.pi * 4 * t)) * 6000).astype(np.int16)


@pytest.fixture
async def backend() -> AsyncIterator[WorkerBackend]:
    process = FaceProcess("reference", REFERENCE)
    yield WorkerBackend("reference", process)
    await process.stop()


class Reader:
    """Iterates a stream beside the test."""

    def __init__(self, stream: WorkerStream) -> None:
        self.frames: list[Frame] = []
        self.error: BackendError | None = None
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._read(stream))

    async def _read(self, stream: WorkerStream) -> None:
        try:
            async for frame in stream.frames():
                if frame.release is not None:
                    frame.release()
                self.frames.append(frame)
                self._news.set()
        except BackendError as error:
            self.error = error
        self._news.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def spoken(self, turn: int) -> list[Frame]:
        return [f for f in self.frames if f.position_s is not None and f.turn_id == turn]

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_the_reference_worker_speaks_clears_and_idles(backend: WorkerBackend):
    available = await backend.probe()
    assert (available.ok, backend.caps.sample_rate, backend.caps.emotions) == (True, RATE, True)
    await backend.prepare("ava")
    stream = await backend.open("ava", SIZE)
    reader = Reader(stream)
    await reader.until(lambda: len(reader.frames) >= 3)
    assert all(frame.position_s is None for frame in reader.frames), "idle before it speaks"
    assert (reader.frames[0].picture.width, reader.frames[0].picture.height) == SIZE

    await stream.control(Control(phase=Phase.THINKING, emotion="happy"))
    await stream.push_audio(AudioPiece(3, 0.0, vowels(0.5)))
    await stream.push_audio(AudioPiece(3, 0.5, vowels(0.5)))
    await stream.end_of_speech(3)
    await reader.until(lambda: len(reader.spoken(3)) == 25)
    positions = [frame.position_s for frame in reader.spoken(3)]
    assert positions == pytest.approx([n / 25 for n in range(25)], abs=1e-5)
    lower = np.s_[round(SIZE[1] * 0.62) : round(SIZE[1] * 0.8), 100:284]
    mouths = [frame.picture.y[lower].astype(int) for frame in reader.spoken(3)]
    moved = [np.abs(b - a).mean() for a, b in itertools.pairwise(mouths)]
    assert np.median(moved) > 0.2, "the mouth moves with the sound"

    for turn in (4, 5):
        await stream.push_audio(AudioPiece(turn, 0.0, vowels(8)))
        await reader.until(lambda turn=turn: len(reader.spoken(turn)) > 2)
        began = time.monotonic()
        await stream.clear(turn)
        took_s = time.monotonic() - began
        seen = len(reader.spoken(turn))
        print(f"clear acknowledged in {took_s * 1000:.1f} ms")
        assert took_s < 0.1
    count = len(reader.frames)
    await reader.until(lambda: len(reader.frames) > count + 5)
    assert len(reader.spoken(5)) == seen, "nothing of a cleared turn follows the answer"
    assert reader.error is None

    assert backend._process.pid is not None
    os.kill(backend._process.pid, signal.SIGKILL)
    await reader.until(lambda: reader.error is not None)
    assert reader.error is not None
    assert reader.error.code == "lost"
    with pytest.raises(BackendError) as caught:
        await stream.clear(6)
    assert caught.value.code == "lost"
    await stream.close()


async def test_a_worker_is_given_credit_and_no_more(backend: WorkerBackend):
    stream = await backend.open("ava", SIZE)
    frames: list[Frame] = []
    async with asyncio.timeout(20):
        await stream.push_audio(AudioPiece(1, 0.0, vowels(4)))
        await stream.end_of_speech(1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                async for frame in stream.frames():
                    frames.append(frame)
    assert 28 <= len(frames) <= 30, "4 s are 100 frames; 30 may be under way, drawn in twos"
    await stream.close()


class Impostor:
    """A worker made of bytes: answers every connection with ``answer``."""

    def __init__(self, folder: Path, answer: bytes) -> None:
        self.path = folder / "w.sock"
        self._answer = answer

    async def __aenter__(self) -> WorkerBackend:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return WorkerBackend("impostor", FaceProcess("impostor", [], self.path))

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(self._answer)
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()


def message(kind: int, payload: bytes = b"", turn: int = 0, at: int = -1, flags: int = 0) -> bytes:
    return kit.HEADER.pack(kit.MAGIC, kind, flags, turn, at, len(payload)) + payload


READY = message(kit.READY, b'{"protocol": 1, "caps": {}}')


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (message(kit.READY, b'{"protocol": 2, "caps": {}}'), "version"),
        (message(kit.ERROR, b'{"code": "version", "message": "2 only"}'), "version"),
        (message(kit.ERROR, b'{"code": "x", "message": "no weights"}'), "worker"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 64, "protocol"),
        (os.urandom(3) + b"\xff" * 400, "protocol"),
        (message(kit.READY, b"[1]"), "protocol"),
        (message(kit.READY, b'{"protocol": 1, "caps": {"fps": "many"}}'), "protocol"),
        (message(kit.READY, b'{"protocol": 1, "caps": {"batch": 100000}}'), "protocol"),
        (kit.HEADER.pack(kit.MAGIC, kit.READY, 0, 0, -1, 2**31), "protocol"),
        (message(kit.FRAME), "protocol"),
        (b"", "lost"),
        (READY[:30], "lost"),
    ],
)
async def test_whatever_a_worker_answers_it_is_told_apart(tmp_path: Path, answer: bytes, code: str):
    async with Impostor(tmp_path, answer) as backend:
        with pytest.raises(BackendError) as caught:
            await backend.open("ava", SIZE)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "frame",
    [
        message(kit.FRAME, b""),
        message(kit.FRAME, b"\x10\x00\x10\x00" + b"x" * 100),
        message(kit.FRAME, b"\x11\x00\x10\x00" + b"x" * (17 * 16 * 3 // 2)),
        message(kit.FRAME, b"\x00\x00\x00\x00"),
        message(kit.AUDIO, b"xx"),
        b"garbage garbage garbage garbage",
    ],
)
async def test_bad_frames_end_the_stream(tmp_path: Path, frame: bytes):
    async with Impostor(tmp_path, READY + frame) as backend:
        stream = await backend.open("ava", SIZE)
        with pytest.raises(BackendError) as caught:
            async for _ in stream.frames():
                pass
        assert caught.value.code == "protocol"


async def test_a_picture_may_be_rgb(tmp_path: Path):
    red = np.zeros((16, 32, 3), np.uint8)
    red[..., 0] = 255
    data = kit.frame_message(7, 40_000, red)
    raw = message(kit.FRAME, bytes(data.payload), 7, 40_000, data.flags)
    async with Impostor(tmp_path, READY + raw) as backend:
        stream = await backend.open("ava", SIZE)
        frame = await anext(stream.frames())
    assert (frame.turn_id, frame.position_s) == (7, 0.04)
    assert (frame.picture.width, frame.picture.height) == (32, 16)
    assert frame.picture.v.mean() > 200, "red is where V is high"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/no/such/program"], "no program"),
        ([sys.executable, "-c", "raise SystemExit('out of VRAM')"], "out of VRAM"),
        ([sys.executable, "-c", "print('hello')"], "--probe failed"),
        (
            [sys.executable, "-c", """print('{"protocol": 9, "caps": {}}')"""],
            "speaks protocol 9",
        ),
        (
            [
                sys.executable,
                "-c",
                """print('{"protocol": 1, "caps": {}, "missing": ["package torch"]}')""",
            ],
            "misses package torch",
        ),
    ],
)
async def test_a_probe_says_plainly_what_is_wrong(command: list[str], words: str):
    available = await WorkerBackend("x", FaceProcess("x", command)).probe()
    assert not available.ok
    assert words in available.reason


def worker_answers(sock_path: Path, data: bytes) -> bytes:
    """What the kit's own side does with bytes that are not ours."""
    import socket

    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(sock_path))
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        got = b""
        while part := sock.recv(65536):
            got += part
    return got


async def test_the_kit_refuses_strangers_and_keeps_serving(backend: WorkerBackend):
    await backend.prepare("ava")
    path = backend._process._socket
    assert path is not None
    for data, words in (
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"protocol"),
        (message(kit.AUDIO, b"\0\0"), b"not HELLO"),
        (message(kit.HELLO, b'{"protocol": 7}'), b'"version"'),
        (message(kit.HELLO, b"not json"), b"not JSON"),
    ):
        assert words in await asyncio.to_thread(worker_answers, path, data)
    stream = await backend.open("ava", SIZE)
    assert (await anext(stream.frames())).position_s is None
    await stream.close()
