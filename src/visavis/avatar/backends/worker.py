"""A face in a process of its own, in an environment of its own: our side of the protocol.

The other side is ``worker_kit``; the protocol is written down in docs/faces.md. One process per
worker of ours serves all its sessions, one connection each.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import structlog

from visavis.avatar.backends import worker_kit as kit
from visavis.avatar.backends.base import (
    AudioPiece,
    Availability,
    BackendError,
    Caps,
    Control,
    Frame,
    within,
)
from visavis.avatar.backends.process import FaceProcess
from visavis.media import I420

WINDOW = 30
"""Frames that a worker may be ahead of what is seen: 1.2 s."""
_MAX_AUDIO = 2 * 1024 * 1024
_MAX_SIDE = 2160

log = structlog.stdlib.get_logger("visavis.avatar")


class WorkerBackend:
    """A ``Backend`` behind a command line, or behind the socket of a running worker."""

    def __init__(self, name: str, process: FaceProcess) -> None:
        self._name = name
        self._process = process
        self._caps = Caps()

    @property
    def name(self) -> str:
        return self._name

    @property
    def caps(self) -> Caps:
        return self._caps

    async def probe(self) -> Availability:
        try:
            answer = await within("probe", self._process.probe())
            if answer.get("protocol") != kit.PROTOCOL:
                theirs = answer.get("protocol")
                reason = f"It speaks protocol {theirs}; this visavis speaks {kit.PROTOCOL}."
                return Availability(False, reason)
            self._caps = _caps(answer)
        except BackendError as error:
            return Availability(False, error.message)
        missing = tuple(str(item) for item in answer.get("missing", []))
        reason = f"It misses {', '.join(missing)}." if missing else ""
        return Availability(not missing, reason, missing)

    async def prepare(self, character_id: str) -> None:
        await within("prepare", self._process.start())

    async def open(self, character_id: str, size: tuple[int, int]) -> "WorkerStream":
        """Connect and shake hands. Raises ``BackendError``."""
        reader, writer = await within("open", self._process.connect())
        stream = WorkerStream(reader, writer)
        try:
            await within("open", stream.greet(character_id, size))
        except BaseException:
            await stream.close()
            raise
        self._caps = stream.caps
        return stream


@dataclass
class WorkerStream:
    """One connection to a worker."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    caps: Caps = field(default_factory=Caps)
    _acks: dict[int, asyncio.Event] = field(default_factory=dict[int, asyncio.Event])
    _lost: BackendError | None = None
    _cleared: int = -1

    async def greet(self, character_id: str, size: tuple[int, int]) -> None:
        """HELLO, and wait for READY, which comes once the worker is warm."""
        width, height = size
        hello = {
            "protocol": kit.PROTOCOL,
            "character": character_id,
            "width": width,
            "height": height,
            "window": WINDOW,
        }
        self._send(kit.Message(kit.HELLO, payload=json.dumps(hello).encode()))
        while True:
            message = await self._receive()
            if message.type == kit.READY:
                break
            if message.type != kit.HEARTBEAT:
                raise BackendError("protocol", f"type {message.type} came before READY")
        ready = _object(message)
        if ready.get("protocol") != kit.PROTOCOL:
            raise BackendError("version", f"the worker speaks protocol {ready.get('protocol')}")
        self.caps = _caps(ready)
        if (more := 3 * self.caps.batch - WINDOW) > 0:
            self._grant(more)

    async def push_audio(self, piece: AudioPiece) -> None:
        if timing := _timing(piece):
            self._send(kit.Message(kit.TIMING, piece.turn_id, payload=timing))
        data, step = piece.pcm.astype("<i2").tobytes(), _MAX_AUDIO
        for start in range(0, len(data), step):
            at_s = piece.position_s + start / 2 / self.caps.sample_rate
            part = data[start : start + step]
            self._send(kit.Message(kit.AUDIO, piece.turn_id, round(at_s * 1e6), part))
        await self._drain()

    async def end_of_speech(self, turn_id: int) -> None:
        self._send(kit.Message(kit.END, turn_id))
        await self._drain()

    async def control(self, wish: Control) -> None:
        body: dict[str, object] = {}
        if wish.phase is not None:
            body["phase"] = str(wish.phase)
        if wish.emotion is not None:
            body |= {"emotion": wish.emotion, "intensity": wish.intensity}
        self._send(kit.Message(kit.CONTROL, payload=json.dumps(body).encode()))
        await self._drain()

    async def clear(self, turn_id: int) -> None:
        """Needs someone to iterate ``frames``: that is where the answer is read."""
        self._cleared = max(self._cleared, turn_id)
        acknowledged = self._acks.setdefault(turn_id, asyncio.Event())
        self._send(kit.Message(kit.CLEAR, turn_id))
        await self._drain()
        await acknowledged.wait()
        self._acks.pop(turn_id, None)
        if self._lost is not None:
            raise self._lost

    async def frames(self) -> AsyncIterator[Frame]:
        try:
            while True:
                message = await self._receive()
                if message.type == kit.CLEARED:
                    if acknowledged := self._acks.get(message.turn):
                        acknowledged.set()
                elif message.type == kit.FRAME:
                    frame = self._frame(message)
                    if frame.position_s is not None and frame.turn_id <= self._cleared:
                        self._grant(1)
                    else:
                        yield frame
                elif message.type != kit.HEARTBEAT:
                    raise BackendError("protocol", f"type {message.type} is not for us")
        except BackendError as error:
            self._lost = error
            raise
        finally:
            self._lost = self._lost or BackendError("lost", "the stream was closed")
            for acknowledged in self._acks.values():
                acknowledged.set()

    async def close(self) -> None:
        self._writer.close()

    def _frame(self, message: kit.Message) -> Frame:
        idle = message.position_us == kit.NOWHERE
        position_s = None if idle else message.position_us / 1e6
        return Frame(message.turn, position_s, _picture(message), lambda: self._grant(1))

    def _grant(self, frames: int) -> None:
        if not self._writer.is_closing():
            self._send(kit.Message(kit.CREDIT, payload=struct.pack("<I", frames)))

    def _send(self, message: kit.Message) -> None:
        size = len(message.payload)
        turn = max(0, message.turn)
        head = (kit.MAGIC, message.type, message.flags, turn, message.position_us, size)
        self._writer.write(kit.HEADER.pack(*head) + message.payload)

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except OSError:
            raise BackendError("lost", "the worker hung up") from None

    async def _receive(self) -> kit.Message:
        """The next message; a worker that says nothing for ``LOST_S`` is lost."""
        try:
            async with asyncio.timeout(kit.LOST_S):
                head = await self._reader.readexactly(kit.HEADER.size)
                kind, flags, turn, position_us, length = kit.parse_header(head)
                payload = await self._reader.readexactly(length)
        except TimeoutError:
            raise BackendError("lost", f"no sign of life for {kit.LOST_S:g} s") from None
        except (OSError, asyncio.IncompleteReadError):
            raise BackendError("lost", "the worker hung up") from None
        except kit.ProtocolError as error:
            raise BackendError("protocol", str(error)) from None
        message = kit.Message(kind, turn, position_us, payload, flags)
        if kind == kit.ERROR:
            body = _object(message)
            code = "version" if body.get("code") == "version" else "worker"
            raise BackendError(code, str(body.get("message", ""))[:500])
        return message


def _object(message: kit.Message) -> dict[str, Any]:
    try:
        return kit.parse_json(message.payload)
    except kit.ProtocolError as error:
        raise BackendError("protocol", str(error)) from None


def _caps(body: dict[str, Any]) -> Caps:
    """What a worker says of itself. Raises ``BackendError("protocol")``."""
    try:
        said = dict(body["caps"])
        caps = Caps(
            fps=int(said.get("fps", 25)),
            sizes=tuple((int(w), int(h)) for w, h in said.get("sizes", [])),
            sample_rate=int(said.get("sample_rate", 16_000)),
            lookahead_ms=int(said.get("lookahead_ms", 0)),
            batch=int(said.get("batch", 1)),
            alpha=bool(said.get("alpha", False)),
            emotions=bool(said.get("emotions", False)),
            pace="real_time" if said.get("pace") == "real_time" else "faster",
            own_audio=bool(said.get("own_audio", False)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BackendError("protocol", f"its caps cannot be read: {error!r}") from None
    sound = 8_000 <= caps.sample_rate <= 48_000
    if not (sound and 20 <= caps.fps <= 60 and 1 <= caps.batch <= 64):
        raise BackendError("protocol", f"its caps are out of bounds: {caps}")
    return caps


def _picture(message: kit.Message) -> I420:
    """The picture of a FRAME. Raises ``BackendError("protocol")``."""
    data = message.payload
    width, height = struct.unpack_from("<HH", data) if len(data) >= 4 else (0, 0)
    rgb = bool(message.flags & kit.RGB)
    wanted = width * height * 3 if rgb else width * height * 3 // 2
    bad = width % 2 or height % 2 or not 2 <= min(width, height) <= max(width, height) <= _MAX_SIDE
    if bad or len(data) - 4 != wanted:
        raise BackendError("protocol", f"a frame of {width}x{height} has {len(data) - 4} bytes")
    pixels = np.frombuffer(data, np.uint8, offset=4)
    if rgb:
        buffer = cv2.cvtColor(pixels.reshape(height, width, 3), cv2.COLOR_RGB2YUV_I420)
        return I420(width, height, np.asarray(buffer, np.uint8))
    return I420(width, height, pixels.reshape(height * 3 // 2, width))


def _timing(piece: AudioPiece) -> bytes:
    """What the voice knows of a piece, as JSON; nothing where it knows nothing."""
    if not (piece.text or piece.words or piece.phonemes):
        return b""
    body = {
        "text": piece.text,
        "words": [[word.text, word.start_s, word.end_s] for word in piece.words],
        "phonemes": [[sound.symbol, sound.start_s, sound.end_s] for sound in piece.phonemes],
    }
    data = json.dumps(body).encode()
    return data if len(data) <= kit.MAX_JSON else b""
