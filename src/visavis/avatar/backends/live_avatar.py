"""A face behind an avatar-only WebSocket: another visavis, or who speaks the same protocol.

The messages are those of LiveAvatar's LITE mode (``agent.speak``, ``agent.speak_end``,
``agent.interrupt``, …). visavis sends the pictures over the same socket. LiveAvatar itself sends
them into a LiveKit room, which would need LiveKit's SDK: a service that offers no pictures here
is refused with that reason, and the puppet takes over.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import av
import numpy as np
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from visavis.avatar.backends.base import (
    AudioPiece,
    Availability,
    BackendError,
    Caps,
    Control,
    Frame,
    Stream,
)
from visavis.avatar.backends.stream_wire import Picture, StreamWireError
from visavis.avatar.base import Phase
from visavis.media import I420

RATE = 24_000
_MAX_MESSAGE = 4 * 1024 * 1024
_SPEAK_S = 1.0
"""How much sound goes into one message; the service takes 1 MB at most."""


class StreamBackend:
    """``url``: where the socket is (ws://, wss://); ``api_key`` goes along as a bearer token."""

    caps = Caps(fps=25, sample_rate=RATE, pace="real_time", emotions=True)

    def __init__(self, name: str, url: str, api_key: str) -> None:
        self.name = name
        self._url = url
        self._api_key = api_key

    async def probe(self) -> Availability:
        """Whether it is set up and its host takes connections; costs the service nothing."""
        parts = urlsplit(self._url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            return Availability(False, f"{self._url!r} is no ws:// or wss:// address.")
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        try:
            async with asyncio.timeout(5):
                _, writer = await asyncio.open_connection(parts.hostname, port)
        except (OSError, TimeoutError):
            return Availability(False, f"Nobody answers at {parts.hostname}:{port}.")
        writer.close()
        return Availability(True)

    async def prepare(self, character_id: str) -> None:
        """Nothing can be done ahead."""

    async def open(self, character_id: str, size: tuple[int, int]) -> Stream:
        asked = {"character_id": character_id, "width": size[0], "height": size[1]}
        query = urlencode({**asked, "sample_rate": RATE})
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        glue = "&" if urlsplit(self._url).query else "?"
        try:
            socket = await connect(
                f"{self._url}{glue}{query}",
                additional_headers=headers,
                max_size=_MAX_MESSAGE,
                compression=None,
            )
        except InvalidStatus as error:
            raise BackendError("refused", _why(error)) from None
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
            raise BackendError("lost", f"No connection: {error}") from None
        stream = AvatarStream(socket)
        try:
            await stream.connected()
        except BaseException:
            await stream.close()
            raise
        return stream


class AvatarStream:
    """One connection."""

    caps = StreamBackend.caps

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._decoder: Any = VideoCodecContext.create("vp8", "r")  # PyAV types it in part
        self._utterances: dict[int, int] = {}
        """The service's number of an utterance: our turn."""
        self._cleared = -1

    async def connected(self) -> None:
        """What is sent before the service says so would be lost. Raises ``BackendError``."""
        while True:
            message = await self._receive()
            if isinstance(message, bytes):
                continue
            said = _event(message)
            if said.get("type") == "error" and said.get("fatal"):
                raise BackendError("refused", str(said.get("detail", ""))[:300])
            if said.get("type") == "session.state_updated" and said.get("state") == "connected":
                break
        if said.get("codec") != "vp8":
            message = "It sends its pictures to a LiveKit room, not here; that needs LiveKit's SDK."
            raise BackendError("refused", message)

    async def push_audio(self, piece: AudioPiece) -> None:
        step = round(_SPEAK_S * RATE)
        for start in range(0, len(piece.pcm), step):
            pcm = piece.pcm[start : start + step].astype("<i2").tobytes()
            body: dict[str, object] = {
                "type": "agent.speak",
                "event_id": _event_id(piece.turn_id),
                "audio": base64.b64encode(pcm).decode(),
            }
            if start == 0 and len(piece.pcm) <= step:
                body |= _timing(piece)
            await self._tell(body)

    async def end_of_speech(self, turn_id: int) -> None:
        await self._tell({"type": "agent.speak_end", "event_id": _event_id(turn_id)})

    async def control(self, wish: Control) -> None:
        if wish.phase is Phase.LISTENING:
            await self._tell({"type": "agent.start_listening"})
        elif wish.phase in (Phase.IDLE, Phase.THINKING):
            await self._tell({"type": "agent.state", "state": str(wish.phase)})
        if wish.emotion is not None:
            emotion = {"emotion": wish.emotion, "intensity": wish.intensity}
            await self._tell({"type": "agent.emotion", **emotion})

    async def clear(self, turn_id: int) -> None:
        """The service answers in its own time; until then its pictures are dropped here."""
        self._cleared = max(self._cleared, turn_id)
        if any(turn <= turn_id for turn in self._utterances.values()):
            await self._tell({"type": "agent.interrupt", "event_id": _event_id(turn_id)})

    async def frames(self) -> AsyncIterator[Frame]:
        while True:
            message = await self._receive()
            if isinstance(message, str):
                self._note(_event(message))
                continue
            frame = self._frame(message)
            if frame is not None:
                yield frame

    async def close(self) -> None:
        await self._socket.close()

    def _note(self, said: dict[str, Any]) -> None:
        match said.get("type"):
            case "agent.speak_started":
                turn = str(said.get("event_id", "")).removeprefix("turn-")
                if turn.isdecimal():
                    self._utterances[int(said.get("utterance", 0))] = int(turn)
            case "agent.speak_ended":
                self._utterances.pop(int(said.get("utterance", 0)), None)
            case "session.state_updated" if said.get("state") in ("closing", "closed"):
                raise BackendError("lost", "the service closes the session")
            case "error" if said.get("fatal"):
                raise BackendError("worker", str(said.get("detail", ""))[:300])
            case _:
                pass

    def _frame(self, message: bytes) -> Frame | None:
        """Every picture is decoded, wanted or not: the next one builds on it."""
        try:
            picture = Picture.unpack(message)
            decoded = self._decoder.decode(av.Packet(picture.data))
        except (StreamWireError, FFmpegError) as error:
            raise BackendError("protocol", str(error)) from None
        if not decoded:
            return None
        image = decoded[0].to_ndarray(format="yuv420p")
        shown = I420(decoded[0].width, decoded[0].height, np.asarray(image, np.uint8))
        turn_id = self._utterances.get(picture.utterance)
        if picture.position_us is None:
            return Frame(-1, None, shown)
        if turn_id is None or turn_id <= self._cleared:
            return None
        return Frame(turn_id, picture.position_us / 1e6, shown)

    async def _tell(self, body: dict[str, object]) -> None:
        try:
            await self._socket.send(json.dumps(body))
        except ConnectionClosed as error:
            raise BackendError("lost", f"the service hung up: {error}") from None

    async def _receive(self) -> str | bytes:
        try:
            return await self._socket.recv()
        except ConnectionClosed as error:
            raise BackendError("lost", f"the service hung up: {error}") from None


def _event_id(turn_id: int) -> str:
    return f"turn-{turn_id}"


def _event(message: str) -> dict[str, Any]:
    try:
        said = json.loads(message)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise BackendError("protocol", "a message is no JSON object")
    return cast("dict[str, Any]", said)


def _timing(piece: AudioPiece) -> dict[str, object]:
    return {
        "text": piece.text,
        "words": [[word.text, word.start_s, word.end_s] for word in piece.words],
        "phonemes": [[sound.symbol, sound.start_s, sound.end_s] for sound in piece.phonemes],
    }


def _why(error: InvalidStatus) -> str:
    """What the service answered instead of opening the socket."""
    try:
        problem = json.loads(error.response.body or b"{}")
        detail = str(problem.get("detail") or problem.get("code") or "")
    except (ValueError, AttributeError):
        detail = ""
    return f"It answered {error.response.status_code}. {detail[:200]}".strip()
