"""Whisper on CTranslate2 with a short audio context: the embedded speech-to-text.

Stock Whisper pads every clip to 30 s and spends most of its time encoding silence. CTranslate2
takes shorter features, so a question costs a sixth of that. A short context sometimes loops or
stops early; implausible transcripts are therefore collapsed, or decoded again with all 30 s.
"""

import importlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Mono, 16 kHz, within [-1, 1]."""

RATE = 16_000
FULL_CONTEXT_S = 30.0
_MIN_CONTEXT_S = 8.0
_SLACK_S = 2.0
_WORDS_PER_SECOND = 4.0
_SILENCE_PEAK = 0.004
"""-48 dBFS: below this there is only the noise of a quiet microphone."""
_NO_SPEECH = 0.6
_PROMPT_TOKENS = 64
_PHANTOMS = {"you", "thank you", "thanks for watching", "thank you for watching", "bye", "oh", "so"}
"""What Whisper writes under noise, having learnt from subtitles."""


@dataclass(frozen=True, slots=True)
class _Decoded:
    text: str
    no_speech: float
    score: float
    """Mean log probability of a token."""


class Whisper:
    """One model in memory. ``transcribe`` may run in several threads: two decode at a time."""

    parallel = 2

    def __init__(self, directory: Path) -> None:
        ctranslate2 = _library("ctranslate2")
        self._storage = ctranslate2.StorageView
        self._model = ctranslate2.models.Whisper(
            str(directory),
            device="cpu",
            compute_type="int8",
            intra_threads=1,  # a second thread gains nothing at this context length
            inter_threads=self.parallel,
        )
        extractor = _library("faster_whisper.feature_extractor").FeatureExtractor
        self._features = extractor(feature_size=80)
        self._tokens = _library("tokenizers").Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.multilingual: bool = self._model.is_multilingual

    def transcribe(self, samples: Samples, language: str | None = None, prompt: str = "") -> str:
        """The words in ``samples``; empty when nobody speaks. ``ValueError``: unknown language.

        ``prompt`` is taken for what was said before: names are then spelt as they are there.
        """
        start = self._start(language, prompt)
        parts = (self._transcribe(part, start) for part in windows(samples))
        text = " ".join(part for part in parts if part)
        return "" if text == prompt else text

    def _transcribe(self, samples: Samples, start: list[int]) -> str:
        if len(samples) < RATE // 10 or float(np.abs(samples).max()) < _SILENCE_PEAK:
            return ""
        duration = len(samples) / RATE
        decoded = self._decode(samples, context_for(duration), start)
        text = collapse(decoded.text, duration)
        if not plausible(text, duration, _voiced_seconds(samples)):
            decoded = self._decode(samples, FULL_CONTEXT_S, start)
            text = collapse(decoded.text, duration)
        return "" if _is_phantom(decoded, text) else text

    def warm_up(self) -> None:
        """Each decoder's first run allocates; let it not be a user's."""

        def decode(_: int) -> None:
            self._decode(np.zeros(RATE, np.float32), _MIN_CONTEXT_S, self._start(None, ""))

        with ThreadPoolExecutor(self.parallel) as threads:
            list(threads.map(decode, range(self.parallel)))

    def _decode(self, samples: Samples, context_s: float, start: list[int]) -> _Decoded:
        frames = int(context_s * 100) // 2 * 2
        mel = cast("NDArray[np.float32]", self._features(samples))[:, :frames]
        mel = np.pad(mel, ((0, 0), (0, frames - mel.shape[1])))
        view = self._storage.from_array(np.ascontiguousarray(mel[None], np.float32))
        encoded = self._model.encode(view, to_cpu=True)
        result = self._model.generate(
            encoded,
            [start],
            beam_size=1,
            max_length=len(start) + int(8 * len(samples) / RATE + 20),
            suppress_blank=True,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        text = cast("str", self._tokens.decode(result.sequences_ids[0])).strip()
        return _Decoded(text, float(result.no_speech_prob), float(result.scores[0]))

    def _start(self, language: str | None, prompt: str) -> list[int]:
        """The tokens that the transcript follows."""
        marks = ["<|startoftranscript|>"]
        if self.multilingual:
            marks += [f"<|{language or 'en'}|>", "<|transcribe|>"]
        ids = [self._tokens.token_to_id(mark) for mark in [*marks, "<|notimestamps|>"]]
        if None in ids:
            raise ValueError(f"Whisper does not know the language {language!r}.")
        return [*self._before(prompt), *ids]

    def _before(self, prompt: str) -> list[int]:
        if not prompt:
            return []
        words = self._tokens.encode(f" {prompt.strip()}", add_special_tokens=False).ids
        return [self._tokens.token_to_id("<|startofprev|>"), *words[-_PROMPT_TOKENS:]]


def windows(samples: Samples) -> Iterator[Samples]:
    """Pieces that fit the model's 30 s, cut where the last third of a piece is quietest."""
    limit, frame = int((FULL_CONTEXT_S - _SLACK_S) * RATE), RATE // 10
    while len(samples) > limit:
        tail = samples[limit * 2 // 3 : limit]
        power = np.square(tail[: len(tail) // frame * frame]).reshape(-1, frame).sum(axis=1)
        cut = limit * 2 // 3 + int(power.argmin()) * frame + frame // 2
        yield samples[:cut]
        samples = samples[cut:]
    yield samples


def context_for(duration_s: float) -> float:
    """Seconds of audio context for a clip: enough slack after the last word, in half seconds."""
    wanted = np.ceil((duration_s + _SLACK_S) * 2) / 2
    return float(min(FULL_CONTEXT_S, max(_MIN_CONTEXT_S, wanted)))


def collapse(text: str, duration_s: float) -> str:
    """``A A A`` becomes ``A`` when there are more words than the clip has room for."""
    words = text.split()
    if len(words) <= _WORDS_PER_SECOND * duration_s + 2:
        return text
    bare = [re.sub(r"[^\w]", "", word.lower()) for word in words]
    for period in range(1, len(words) // 2 + 1):
        if all(word == bare[index % period] for index, word in enumerate(bare)):
            return " ".join(words[:period])
    return text


def plausible(text: str, duration_s: float, voiced_s: float) -> bool:
    """Neither wordier than anyone speaks, nor nearly silent over long speech."""
    words = len(text.split())
    return words <= _WORDS_PER_SECOND * duration_s + 2 and words >= int(voiced_s)


def _voiced_seconds(samples: Samples) -> float:
    """Seconds of 20 ms frames within 30 dB of the loudest one."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    power = np.mean(frames**2, axis=1)
    return float(np.count_nonzero(power > power.max() * 1e-3) * 0.02)


def _is_phantom(decoded: _Decoded, text: str) -> bool:
    bare = re.sub(r"[^\w ]", "", text.lower()).strip()
    if not bare:
        return True
    if decoded.no_speech <= _NO_SPEECH:
        return False
    return decoded.score < -1.0 or bare in _PHANTOMS


def _library(name: str) -> Any:
    """Untyped runtimes are loaded when first needed, and stay behind this module."""
    return importlib.import_module(name)
