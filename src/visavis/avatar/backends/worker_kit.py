"""Bring your own face: everything an adapter needs to serve visavis. Copy this one file.

Needs Python 3.9, the standard library and numpy: it runs in *your* environment, beside your model.
An adapter subclasses ``Face`` and ``Talker`` and calls ``main(MyFace())``. The protocol is written
down byte by byte in docs/faces.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PROTOCOL = 1
MAGIC = 0x4656  # "VF" on the wire
HEADER = struct.Struct("<HBBIqI")
"""magic, type, flags, turn, position in microseconds, length of the payload: 20 bytes."""
MAX_PAYLOAD = 16 * 1024 * 1024
MAX_JSON = 64 * 1024
NOWHERE = -1
"""The position of whatever is at no place of a turn's speech."""

HELLO, READY, AUDIO, END, CONTROL, CLEAR, CLEARED, FRAME = range(1, 9)
CREDIT, HEARTBEAT, ERROR, TIMING = range(9, 13)
RGB = 1
"""Flag of FRAME: the picture is RGB24; without it, I420."""

_FAREWELL_S = 0.5
HEARTBEAT_S = 1.0
LOST_S = 5.0
PATIENCE_S = 0.15
"""How long a batch waits to be filled."""


class ProtocolError(Exception):
    """What came is not the protocol."""


@dataclass
class Message:
    type: int
    turn: int = 0
    position_us: int = NOWHERE
    payload: Any = b""
    flags: int = 0


@dataclass
class Caps:
    """What this face can do; sent with READY."""

    fps: int = 25
    sample_rate: int = 16000
    lookahead_ms: int = 0
    batch: int = 1
    sizes: list[tuple[int, int]] = field(default_factory=list[Any])
    alpha: bool = False
    emotions: bool = False
    pace: str = "faster"
    own_audio: bool = False


@dataclass
class Window:
    """The sound of ``count`` frames, with what came before and what comes after.

    ``pcm`` is int16; sample ``begin`` belongs to the start of the first frame. ``before`` and
    ``after`` the frames there are ``context`` samples at most; fewer at the edges of the turn.
    """

    turn: int
    position_s: float
    count: int
    pcm: NDArray[np.int16]
    begin: int


class Talker:
    """One session's face. Called from one thread, except ``control``."""

    def hear(
        self, turn: int, position_s: float, pcm: NDArray[np.int16], timing: dict[str, Any] | None
    ) -> None:
        """New sound (int16), in order, as soon as it is here; ``timing`` if the voice knows."""

    def speak(self, window: Window) -> Sequence[NDArray[np.uint8]]:
        """``window.count`` pictures: (h, w, 3) RGB, or (h * 3 / 2, w) I420; uint8."""
        raise NotImplementedError

    def idle(self) -> NDArray[np.uint8]:
        """The next picture of a face that is silent; asked for ``caps.fps`` times a second."""
        raise NotImplementedError

    def control(self, wish: dict[str, Any]) -> None:
        """``{"phase": "listening"}``, ``{"emotion": "happy", "intensity": 0.8}``."""

    def clear(self, turn: int) -> None:
        """Sound of ``turn`` and older will not be needed any more."""

    def close(self) -> None:
        """The session is over."""


class Face:
    """What the process can draw. ``load`` once, ``open`` for every session."""

    name = "face"
    caps = Caps()
    context_s = 0.2
    """How much sound around its frames a window holds (``caps.lookahead_ms`` is in any case)."""

    def missing(self) -> list[str]:
        """What is not here, for ``--probe``: ``["package torch", "file model.pt"]``. Be quick."""
        return []

    def load(self) -> None:
        """Load weights and draw once, so that no session pays for first times."""

    def open(self, character: str, width: int, height: int) -> Talker:
        raise NotImplementedError


class Wire:
    """Messages over a socket. ``send`` may be called on any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.lock = threading.RLock()

    def send(self, message: Message) -> None:
        payload = memoryview(message.payload).cast("B")
        head = (MAGIC, message.type, message.flags, message.turn, message.position_us, len(payload))
        with self.lock:
            self._sock.sendall(HEADER.pack(*head))
            if len(payload):
                self._sock.sendall(payload)

    def send_json(self, kind: int, body: dict[str, Any], turn: int = 0) -> None:
        self.send(Message(kind, turn, payload=json.dumps(body).encode()))

    def receive(self) -> Message | None:
        """The next message; None at the end. Raises ``ProtocolError``, ``OSError``."""
        head = self._exactly(HEADER.size)
        if head is None:
            return None
        kind, flags, turn, position_us, length = parse_header(bytes(head))
        payload = self._exactly(length)
        if payload is None:
            return None
        return Message(kind, turn, position_us, payload, flags)

    def _exactly(self, count: int) -> bytearray | None:
        data = bytearray(count)
        view = memoryview(data)
        while len(view):
            read = self._sock.recv_into(view)
            if not read:
                return None
            view = view[read:]
        return data


def parse_header(head: bytes) -> tuple[int, int, int, int, int]:
    """type, flags, turn, position in microseconds, length. Raises ``ProtocolError``."""
    magic, kind, flags, turn, position_us, length = HEADER.unpack(head)
    if magic != MAGIC:
        raise ProtocolError(f"a message begins with {magic:#06x}, not {MAGIC:#06x}")
    if not HELLO <= kind <= TIMING:
        raise ProtocolError(f"no message has type {kind}")
    if length > (MAX_PAYLOAD if kind in (AUDIO, FRAME) else MAX_JSON):
        raise ProtocolError(f"a payload of {length} bytes is too long for type {kind}")
    return kind, flags, turn, position_us, length


def parse_json(payload: Any) -> dict[str, Any]:
    """The object that a payload holds. Raises ``ProtocolError``."""
    try:
        body = json.loads(bytes(payload))
    except ValueError as error:
        raise ProtocolError(f"a payload is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ProtocolError("a payload is JSON, but no object")
    return body  # pyright: ignore[reportUnknownVariableType]


class Turn:
    """The sound of one turn, and how far it has been drawn."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pcm = np.zeros(0, np.int16)
        self.start = 0
        """Samples before ``pcm`` that have been let go."""
        self.ended = False
        self.drawn = 0
        """Frames."""
        self.added_at = time.monotonic()

    def add(self, at: int, pcm: NDArray[np.int16]) -> None:
        """Sound from sample ``at`` on; a hole before it is silence."""
        self.added_at = time.monotonic()
        have = self.start + len(self.pcm)
        hole = np.zeros(max(0, at - have), np.int16)
        self.pcm = np.concatenate((self.pcm, hole, pcm[max(0, have - at) :]))

    def window(self, caps: Caps, context: int) -> Window | None:
        """The next frames that can be drawn, ``caps.batch`` at most; None: sound is missing."""
        per_frame = caps.sample_rate / caps.fps
        after = max(context, caps.lookahead_ms * caps.sample_rate // 1000)
        count = min(caps.batch, self._drawable(caps, per_frame) - self.drawn)
        if count <= 0:
            return None
        first, last = (round((self.drawn + n) * per_frame) for n in (0, count))
        lower = max(self.start, first - context)
        self.pcm, self.start = self.pcm[lower - self.start :], lower
        pcm = self.pcm[: last + after - lower]
        window = Window(self.number, self.drawn / caps.fps, count, pcm, first - lower)
        self.drawn += count
        return window

    def _drawable(self, caps: Caps, per_frame: float) -> int:
        """How many frames of the turn could be drawn by now.

        While more sound comes, only whole batches with all their look-ahead; where none came for
        a while, what there is: it is being played, and the mouth must not stop before the sound.
        """
        total = self.start + len(self.pcm)
        if self.ended:
            return math.ceil(total / per_frame - 1e-9)
        if time.monotonic() - self.added_at > PATIENCE_S:
            return int(total / per_frame)
        ahead = caps.lookahead_ms * caps.sample_rate / 1000
        whole = int((total - ahead) / per_frame) - self.drawn
        return self.drawn + whole // caps.batch * caps.batch


class Session:
    """One connection: a thread that reads, and one that draws."""

    def __init__(self, sock: socket.socket, face: Face, loaded: threading.Event) -> None:
        self._wire = Wire(sock)
        self._sock = sock
        self._face = face
        self._loaded = loaded
        self._talker: Talker | None = None
        self._changed = threading.Condition()
        self._turns: dict[int, Turn] = {}
        self._heard: list[tuple[int, float, NDArray[np.int16], dict[str, Any] | None]] = []
        self._timing: dict[int, dict[str, Any]] = {}
        self._cleared = -1
        self._forget = -1
        self._credit = 0
        self._over = False

    def run(self) -> None:
        """Serve until the other side is gone. Blocks."""
        try:
            hello = self._hello()
            if hello is None:
                return
            threading.Thread(target=self._beat, daemon=True).start()
            self._loaded.wait()
            size = int(hello.get("width", 512)), int(hello.get("height", 512))
            self._talker = self._face.open(str(hello.get("character", "")), *size)
            ready = {"protocol": PROTOCOL, "name": self._face.name, "caps": asdict(self._face.caps)}
            self._wire.send_json(READY, ready)
            threading.Thread(target=self._guarded, daemon=True).start()
            while (message := self._wire.receive()) is not None:
                self._obey(message)
        except ProtocolError as error:
            self._fail("protocol", str(error))
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001  the author's code: tell, keep serving others
            traceback.print_exc()
            self._fail("worker", f"{type(error).__name__}: {error}")
        finally:
            self._end()

    def _hello(self) -> dict[str, Any] | None:
        message = self._wire.receive()
        if message is None:
            return None
        if message.type != HELLO:
            raise ProtocolError("the first message is not HELLO")
        hello = parse_json(message.payload)
        if hello.get("protocol") != PROTOCOL:
            self._fail("version", f"this worker speaks protocol {PROTOCOL} only")
            return None
        self._credit = int(hello.get("window", 25))
        return hello

    def _obey(self, message: Message) -> None:
        kind, turn = message.type, message.turn
        if kind == AUDIO:
            self._hear(message)
        elif kind == CLEAR:
            self._clear(turn)
        elif kind == CONTROL and self._talker is not None:
            self._talker.control(parse_json(message.payload))
        elif kind == TIMING:
            self._timing[turn] = parse_json(message.payload)
        with self._changed:
            if kind == END and turn > self._cleared:
                self._turn(turn).ended = True
            elif kind == CREDIT:
                self._credit += struct.unpack("<I", bytes(message.payload))[0]
            self._changed.notify()

    def _turn(self, number: int) -> Turn:
        return self._turns.setdefault(number, Turn(number))

    def _hear(self, message: Message) -> None:
        if len(message.payload) % 2 or message.position_us < 0:
            raise ProtocolError("AUDIO needs a position, and whole samples")
        pcm = np.frombuffer(message.payload, "<i2")
        at_s = message.position_us / 1e6
        with self._changed:
            if message.turn > self._cleared:
                self._turn(message.turn).add(round(at_s * self._face.caps.sample_rate), pcm)
                timing = self._timing.pop(message.turn, None)
                self._heard.append((message.turn, at_s, pcm, timing))

    def _clear(self, turn: int) -> None:
        """Once CLEARED is sent, no frame of the turn follows: frames pass the same lock."""
        with self._changed:
            self._cleared = self._forget = max(self._cleared, turn)
            for number in [number for number in self._turns if number <= turn]:
                del self._turns[number]
            self._heard = [heard for heard in self._heard if heard[0] > turn]
        with self._wire.lock:
            self._wire.send(Message(CLEARED, turn))

    def _guarded(self) -> None:
        try:
            self._draw()
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            self._fail("worker", f"{type(error).__name__}: {error}")
        finally:
            self._end()

    def _draw(self) -> None:
        """Speech as fast as it goes while there is credit; else idle frames in real time."""
        talker, caps = self._talker, self._face.caps
        assert talker is not None
        context = round(self._face.context_s * caps.sample_rate)
        idle_due = time.monotonic()
        while not self._over:
            with self._changed:
                heard, self._heard = self._heard, []
                forget, self._forget = self._forget, -1
                window = self._next_window(caps, context)
            if forget >= 0:
                talker.clear(forget)
            for piece in heard:
                talker.hear(*piece)
            if window is not None:
                self._send_speech(window, talker.speak(window))
            elif time.monotonic() >= idle_due:
                idle_due = max(idle_due + 1 / caps.fps, time.monotonic())
                if not self._turns_undrawn() and self._credit > 0:
                    self._send(0, NOWHERE, talker.idle())
            else:
                with self._changed:
                    if not self._heard:
                        self._changed.wait(max(0.0, idle_due - time.monotonic()))

    def _turns_undrawn(self) -> bool:
        """Whether frames wait for credit only: then the face is speaking, not idle."""
        with self._changed:
            return self._credit < self._face.caps.batch and bool(self._turns)

    def _next_window(self, caps: Caps, context: int) -> Window | None:
        if self._credit < caps.batch:
            return None
        for number in sorted(self._turns):
            turn = self._turns[number]
            window = turn.window(caps, context)
            if window is not None:
                return window
            if turn.ended:
                del self._turns[number]
        return None

    def _send_speech(self, window: Window, pictures: Sequence[NDArray[np.uint8]]) -> None:
        if len(pictures) != window.count:
            raise ValueError(f"speak gave {len(pictures)} pictures for {window.count} frames")
        for n, picture in enumerate(pictures):
            position_s = window.position_s + n / self._face.caps.fps
            self._send(window.turn, round(position_s * 1e6), picture)

    def _send(self, turn: int, position_us: int, picture: NDArray[np.uint8]) -> None:
        message = frame_message(turn, position_us, picture)
        with self._wire.lock:
            if position_us != NOWHERE and turn <= self._cleared:
                return
            with self._changed:
                self._credit -= 1
            self._wire.send(message)

    def _beat(self) -> None:
        while not self._over:
            try:
                self._wire.send(Message(HEARTBEAT))
            except OSError:
                return
            time.sleep(HEARTBEAT_S)

    def _fail(self, code: str, text: str) -> None:
        with contextlib.suppress(OSError):
            self._wire.send_json(ERROR, {"code": code, "message": text})

    def _end(self) -> None:
        with self._changed:
            over, self._over = self._over, True
            self._changed.notify()
        if over:
            return
        if self._talker is not None:
            self._talker.close()
        # What was not read when a socket closes is answered with a reset, which can overtake the
        # last words: so they go first, and what still comes is read.
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            self._sock.settimeout(_FAREWELL_S)
            while self._sock.recv(65536):
                pass
        self._sock.close()


def frame_message(turn: int, position_us: int, picture: NDArray[np.uint8]) -> Message:
    """A picture as FRAME: width and height as u16, then its bytes, row by row."""
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
        raise ValueError(f"a picture is uint8 with 2 or 3 axes, not {picture.dtype}")
    rgb = picture.ndim == 3
    height, width = picture.shape[:2] if rgb else (picture.shape[0] * 2 // 3, picture.shape[1])
    if width % 2 or height % 2 or (rgb and picture.shape[2] != 3):
        raise ValueError(f"a picture of shape {picture.shape} is neither RGB nor I420")
    payload = struct.pack("<HH", width, height) + np.ascontiguousarray(picture).tobytes()
    return Message(FRAME, turn, position_us, payload, RGB if rgb else 0)


def main(face: Face, arguments: Sequence[str] | None = None) -> None:
    """``--probe`` says in one line of JSON what is missing; ``--socket PATH`` serves there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket")
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--forever", action="store_true", help="do not end with standard input")
    options = parser.parse_args(arguments)
    if options.probe:
        missing = face.missing()
        caps = asdict(face.caps)
        print(
            json.dumps({"protocol": PROTOCOL, "ok": not missing, "missing": missing, "caps": caps})
        )
    elif options.socket:
        if not options.forever:
            threading.Thread(target=_follow_parent, daemon=True).start()
        serve(face, options.socket)
    else:
        parser.error("give --socket PATH or --probe")


def serve(face: Face, path: str) -> None:
    """Serve every connection to the Unix socket at ``path``, for ever."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    Path(path).unlink(missing_ok=True)
    listener.bind(path)
    Path(path).chmod(0o600)
    listener.listen(16)
    loaded = threading.Event()
    threading.Thread(target=_load, args=(face, loaded), daemon=True).start()
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=Session(sock, face, loaded).run, daemon=True).start()


def _load(face: Face, loaded: threading.Event) -> None:
    try:
        face.load()
        loaded.set()
    except Exception:  # noqa: BLE001  without weights there is nothing to serve
        traceback.print_exc()
        os._exit(1)


def _follow_parent() -> None:
    """End when standard input does: visavis holds its other end, and dies with it."""
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
