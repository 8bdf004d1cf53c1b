"""ElevenLabs' voices, which tell when each letter sounds."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from visavis.media import SpeechChunk
from visavis.providers.base import Endpoint
from visavis.providers.letters import phonemes_of
from visavis.providers.vendor_voice import (
    RATE,
    by_clause,
    posted,
    sound,
    vendor_errors,
    words_of,
)

_WHAT = "ElevenLabs"


@dataclass(slots=True)
class _Heard:
    """A clause's sound so far, and its letters with their times from the clause's start."""

    sound: list[bytes] = field(default_factory=list[bytes])
    letters: list[str] = field(default_factory=list[str])
    starts_s: list[float] = field(default_factory=list[float])
    ends_s: list[float] = field(default_factory=list[float])

    def add(self, event: dict[str, Any]) -> None:
        before_s = sum(map(len, self.sound)) / 2 / RATE
        self.sound.append(base64.b64decode(event.get("audio_base64") or ""))
        alignment: dict[str, Any] = event.get("alignment") or {}
        letters: list[str] = alignment.get("characters", [])
        starts: list[float] = alignment.get("character_start_times_seconds", [])
        ends: list[float] = alignment.get("character_end_times_seconds", [])
        if not letters:
            return
        # Some answers count from the clause's start, some from the event's.
        shift = before_s if self.ends_s and starts[0] < self.ends_s[-1] - 0.05 else 0.0
        for letter, start, end in zip(letters, starts, ends, strict=True):
            self.letters.append(letter)
            self.starts_s.append(start + shift)
            self.ends_s.append(end + shift)


class ElevenLabsTextToSpeech:
    """``POST /v1/text-to-speech/{voice}/stream/with-timestamps``: a request and chunk per clause.

    ``endpoint.base_url`` is the host's; ``voice`` the id of one of the account's voices.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def speak(self, text: AsyncIterator[str], *, voice: str) -> AsyncIterator[SpeechChunk]:
        """See ``TextToSpeech``."""
        return by_clause(text, lambda clause: self._clause(clause, voice))

    async def _clause(self, clause: str, voice: str) -> SpeechChunk:
        path = f"/v1/text-to-speech/{voice}/stream/with-timestamps?output_format=pcm_{RATE}"
        headers = {"xi-api-key": self._endpoint.api_key}
        body: dict[str, object] = {"text": clause, "model_id": self._endpoint.model}
        heard = _Heard()
        async with posted(_WHAT, self._endpoint, path, headers, body) as lines:
            async for line in lines:
                with vendor_errors(_WHAT):
                    heard.add(json.loads(line.removeprefix("data:")))
        return SpeechChunk(
            pcm=sound(heard.sound),
            sample_rate=RATE,
            text=clause,
            words=words_of(heard.letters, heard.starts_s, heard.ends_s),
            phonemes=tuple(phonemes_of(heard.letters, heard.starts_s, heard.ends_s)),
        )
