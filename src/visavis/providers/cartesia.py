"""Cartesia's voices, which tell when each word and phoneme sounds."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

from visavis.media import PhonemeTime, SpeechChunk, WordTime
from visavis.providers.base import Endpoint, ProviderError
from visavis.providers.vendor_voice import RATE, by_clause, posted, sound, vendor_errors

VERSION = "2025-04-16"
_WHAT = "Cartesia"


class CartesiaTextToSpeech:
    """``POST /tts/sse``: a request and a chunk per clause. ``voice`` is a voice's id."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def speak(self, text: AsyncIterator[str], *, voice: str) -> AsyncIterator[SpeechChunk]:
        """See ``TextToSpeech``."""
        return by_clause(text, lambda clause: self._clause(clause, voice))

    async def _clause(self, clause: str, voice: str) -> SpeechChunk:
        headers = {
            "Authorization": f"Bearer {self._endpoint.api_key}",
            "Cartesia-Version": VERSION,
        }
        body: dict[str, object] = {
            "model_id": self._endpoint.model,
            "transcript": clause,
            "voice": {"mode": "id", "id": voice},
            "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": RATE},
            "add_timestamps": True,
            "add_phoneme_timestamps": True,
        }
        parts: list[bytes] = []
        words: list[WordTime] = []
        phonemes: list[PhonemeTime] = []
        async with posted(_WHAT, self._endpoint, "/tts/sse", headers, body) as lines:
            async for line in lines:
                if not line.startswith("data:"):
                    continue
                with vendor_errors(_WHAT):
                    _take(json.loads(line.removeprefix("data:")), parts, words, phonemes)
        return SpeechChunk(sound(parts), RATE, clause, tuple(words), tuple(phonemes))


def _take(
    event: dict[str, Any], parts: list[bytes], words: list[WordTime], phonemes: list[PhonemeTime]
) -> None:
    match event.get("type"):
        case "chunk":
            parts.append(base64.b64decode(event["data"]))
        case "timestamps":
            times = event["word_timestamps"]
            rows = zip(times["words"], times["start"], times["end"], strict=True)
            words.extend(WordTime(*row) for row in rows)
        case "phoneme_timestamps":
            times = event["phoneme_timestamps"]
            rows = zip(times["phonemes"], times["start"], times["end"], strict=True)
            phonemes.extend(PhonemeTime(*row) for row in rows)
        case "error":
            raise ProviderError("failed", f"{_WHAT} could not speak.", retryable=True)
        case _:
            pass
