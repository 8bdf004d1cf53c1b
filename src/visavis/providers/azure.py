"""Azure's voices, which tell of each word and viseme as it sounds."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from visavis.media import PhonemeTime, SpeechChunk, WordTime
from visavis.providers.base import Endpoint, ProviderError
from visavis.providers.vendor_voice import (
    MAX_BYTES,
    RATE,
    by_clause,
    refusal,
    sound,
    vendor_errors,
)

PATH = "/cognitiveservices/websocket/v1"
_WHAT = "Azure"
_TICKS = 10_000_000
"""Azure counts in 100 ns."""
_CONNECT_S, _SILENCE_S = 5.0, 15.0

_PHONEME = (
    *(".", "æ", "ɑ", "ɔ", "ɛ", "ɝ", "i", "u", "O", "W", "Y"),
    *("I", "h", "ɹ", "l", "s", "ʃ", "θ", "f", "t", "k", "p"),
)
"""One phoneme for each of Azure's 22 visemes."""


class AzureTextToSpeech:
    """The speech service's WebSocket: a connection and a chunk per clause.

    ``endpoint.base_url`` is ``wss://REGION.tts.speech.microsoft.com``; ``voice`` a voice's name,
    such as ``en-US-JennyNeural``.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def speak(self, text: AsyncIterator[str], *, voice: str) -> AsyncIterator[SpeechChunk]:
        """See ``TextToSpeech``."""
        return by_clause(text, lambda clause: self._clause(clause, voice))

    async def _clause(self, clause: str, voice: str) -> SpeechChunk:
        answer = _Answer()
        try:
            async with connect(
                f"{self._endpoint.base_url.rstrip('/')}{PATH}",
                additional_headers={
                    "Ocp-Apim-Subscription-Key": self._endpoint.api_key,
                    "X-ConnectionId": uuid.uuid4().hex,
                },
                open_timeout=_CONNECT_S,
                close_timeout=1,
                max_size=MAX_BYTES,
            ) as line:
                await _ask(line, clause, voice)
                await _listen(line, answer)
        except InvalidStatus as error:
            raise refusal(_WHAT, error.response.status_code) from error
        except TimeoutError as error:
            message = f"{_WHAT} did not answer in time."
            raise ProviderError("timeout", message, retryable=True) from error
        except (OSError, WebSocketException) as error:
            message = f"{_WHAT} cannot be reached."
            raise ProviderError("unreachable", message, retryable=True) from error
        return answer.chunk(clause)


class _Answer:
    def __init__(self) -> None:
        self._sound: list[bytes] = []
        self._words: list[WordTime] = []
        self._visemes: list[tuple[float, int]] = []

    def hear(self, message: bytes) -> None:
        """A binary message: the length of its head, the head, sound."""
        head = int.from_bytes(message[:2], "big")
        if b"Path:audio" in message[2 : 2 + head].replace(b" ", b""):
            self._sound.append(message[2 + head :])

    def note(self, metadata: list[dict[str, Any]]) -> None:
        for one in metadata:
            data = one["Data"]
            at_s = data["Offset"] / _TICKS if "Offset" in data else 0.0
            if one["Type"] == "Viseme":
                self._visemes.append((at_s, int(data["VisemeId"])))
            elif one["Type"] == "WordBoundary" and data["text"]["BoundaryType"] == "WordBoundary":
                end_s = at_s + data["Duration"] / _TICKS
                self._words.append(WordTime(data["text"]["Text"], at_s, end_s))

    def chunk(self, clause: str) -> SpeechChunk:
        pcm = sound(self._sound)
        ends = [at_s for at_s, _ in self._visemes[1:]] + [len(pcm) / RATE]
        phonemes = tuple(
            PhonemeTime(_PHONEME[viseme], at_s, end_s)
            for (at_s, viseme), end_s in zip(self._visemes, ends, strict=False)
            if 0 <= viseme < len(_PHONEME) and end_s > at_s
        )
        return SpeechChunk(pcm, RATE, clause, tuple(self._words), phonemes)


async def _ask(line: ClientConnection, clause: str, voice: str) -> None:
    request = uuid.uuid4().hex
    context = {
        "synthesis": {
            "audio": {
                "metadataOptions": {
                    "wordBoundaryEnabled": True,
                    "visemeEnabled": True,
                    "sentenceBoundaryEnabled": False,
                    "sessionEndEnabled": False,
                },
                "outputFormat": f"raw-{RATE // 1000}khz-16bit-mono-pcm",
            }
        }
    }
    language = "-".join(voice.split("-")[:2])
    ssml = (
        '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" '
        f"xml:lang={quoteattr(language)}><voice name={quoteattr(voice)}>"
        f"{escape(clause)}</voice></speak>"
    )
    system = {"context": {"system": {"name": "visavis", "version": "1"}}}
    for path, kind, body in (
        ("speech.config", "application/json", json.dumps(system)),
        ("synthesis.context", "application/json", json.dumps(context)),
        ("ssml", "application/ssml+xml", ssml),
    ):
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        head = f"Path: {path}\r\nX-RequestId: {request}\r\nX-Timestamp: {now}\r\n"
        await line.send(f"{head}Content-Type: {kind}\r\n\r\n{body}")


async def _listen(line: ClientConnection, answer: _Answer) -> None:
    """Until the turn's end. Raises ``TimeoutError`` when it falls silent before."""
    while True:
        async with asyncio.timeout(_SILENCE_S):
            message = await line.recv()
        with vendor_errors(_WHAT):
            if isinstance(message, bytes):
                answer.hear(message)
                continue
            head, _, body = message.partition("\r\n\r\n")
            path = head.lower().replace(" ", "").partition("path:")[2].partition("\r\n")[0]
            if path == "turn.end":
                return
            if path == "audio.metadata":
                answer.note(json.loads(body)["Metadata"])
