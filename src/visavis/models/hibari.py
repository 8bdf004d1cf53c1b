"""The embedded voice: hibari "heart", with the times of its words and phonemes.

The network predicts how long each phoneme lasts, in units of 25 ms that add up to the audio's
length, but its graph does not return them. Protobuf merges repeated embedded messages, so one
more ``graph`` field appended to the model's bytes makes the duration tensor an output.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from visavis.media import PhonemeTime, SpeechChunk, WordTime
from visavis.models.speakable import speakable

RATE = 24_000
_LOWERED: dict[str, tuple[int, int]] = {"heart": (1, 1), "reed": (4, 3)}
"""How much longer each voice's waves are than the network's: "reed" is "heart", spoken faster and
played slower, a fourth deeper, with the resonances of a larger head."""
VOICES = tuple(_LOWERED)
_DURATIONS = "/Clip_output_0"
_UNIT_S = 0.025
_EARLY_S = 0.05
"""The sound comes two units before its predicted time: measured on where sibilants hiss, stops are
silent, vowels and nasals sound, alike at speeds of 0.8, 1 and 1.25."""
_LEAD_S = 0.03
_FADE = 120
"""Samples: 5 ms, also the grain in which loudness is looked at."""
_FRAME_S = _FADE / RATE
_REST_POWER = 10**-3.5
"""Of the loudest frame's power: below it there is a rest, not a sound."""
_PAUSE_S = {".": 0.18, "!": 0.18, "?": 0.18, "…": 0.2, ",": 0.1, ";": 0.12, ":": 0.12, "—": 0.12}
"""The rest after a chunk that ends so; a chunk cut in mid-sentence gets none of it."""
_NO_PAUSE_S = 0.03
_SENTENCE_LIMIT = 220
"""Characters; a longer sentence is spoken clause by clause."""

Wave = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Sound:
    """One vocabulary symbol of the phoneme string and the written word it belongs to."""

    symbol: str
    word: int


@dataclass(slots=True)
class _Phone:
    symbol: str
    start_s: float
    end_s: float
    word: int


class Hibari:
    """One voice in memory. Not for several threads at once."""

    def __init__(self, directory: Path) -> None:
        self._library = importlib.import_module("hibari.tts")
        self._dsp = importlib.import_module("hibari.dsp")
        self._normalize = importlib.import_module("hibari.g2p.normalize").normalize
        self._voice: Any = self._library.Hibari(threads=1)
        self._voice.sess = None  # ours replaces it
        self._session = _open(_with_output((directory / "hibari.onnx").read_bytes(), _DURATIONS))

    def speak(self, text: str, speed: float = 1.0, voice: str = "heart") -> Iterator[SpeechChunk]:
        """One chunk per sentence (s16 mono, 24 kHz), each as soon as it is made."""
        longer, shorter = _LOWERED[voice]
        for sentence in self._library.Hibari.split_sentences(speakable(text)):
            for clause in _split_long(sentence):
                chunk = self._speak_clause(clause, speed * longer / shorter)
                if chunk is not None:
                    yield _lowered(chunk, longer, shorter)

    def warm_up(self) -> None:
        """The first sentence loads the pronunciation lexicon, half a second."""
        list(self.speak("Hi there, 7 xylqs."))

    def _speak_clause(self, text: str, speed: float) -> SpeechChunk | None:
        spoken, sounds = self._pronounce(text)
        if not any(_is_phone(sound.symbol) for sound in sounds):
            return None
        vocabulary = cast("dict[str, int]", self._voice.vocab)
        ids = [0, *(vocabulary[sound.symbol] for sound in sounds), 0]
        *spectrum, durations = self._session.run(
            None,
            {"ids": np.asarray([ids], np.int64), "speed": np.asarray([speed], np.float32)},
        )
        noise = np.random.default_rng(0)
        wave = cast("Wave", self._dsp.synth(*(part[0] for part in spectrum), noise))
        edges = np.concatenate([[0.0], np.cumsum(durations.ravel())]) * _UNIT_S
        onset, end = _sounding(wave)
        start = max(0.0, onset - _LEAD_S)
        edges = np.maximum(0, edges - _EARLY_S)
        edges[1] = min(edges[1], onset)  # a first consonant may be heard before its time
        phones = _times(sounds, edges[1:-1] - start, end - start)
        _follow_sound(phones, wave[int(start * RATE) :])
        return SpeechChunk(
            pcm=_cut(wave, start, end, _PAUSE_S.get(text.rstrip("\"”’')")[-1:], _NO_PAUSE_S)),
            sample_rate=RATE,
            text=text,
            words=_written_words(text, spoken, _word_spans(phones)),
            phonemes=tuple(PhonemeTime(p.symbol, p.start_s, p.end_s) for p in phones),
        )

    def _pronounce(self, text: str) -> tuple[list[str], list[_Sound]]:
        """The words as they will be said ("ten" for "10"), and their sounds in the vocabulary."""
        g2p = self._voice.g2p
        words: list[str] = [""]
        sounds: list[_Sound] = []
        for token in g2p.phonemize_tokens(g2p.tokenize(self._normalize(text))):
            words[-1] += token.text
            sounds += [_Sound(symbol, len(words) - 1) for symbol in token.phonemes or ""]
            if token.whitespace:
                sounds.append(_Sound(" ", len(words) - 1))
                words.append("")
        known = [sound for sound in sounds if sound.symbol in self._voice.vocab]
        while known and known[0].symbol == " ":
            known.pop(0)
        while known and known[-1].symbol == " ":
            known.pop()
        return words, known


def _lowered(chunk: SpeechChunk, longer: int, shorter: int) -> SpeechChunk:
    """The chunk with all its waves and times ``longer / shorter`` times as long."""
    if longer == shorter:
        return chunk
    share = longer / shorter
    signal: Any = importlib.import_module("scipy.signal")
    pcm = signal.resample_poly(chunk.pcm.astype(np.float32), longer, shorter)
    return replace(
        chunk,
        pcm=np.clip(pcm, -32768, 32767).astype(np.int16),
        words=tuple(WordTime(w.text, w.start_s * share, w.end_s * share) for w in chunk.words),
        phonemes=tuple(
            PhonemeTime(p.symbol, p.start_s * share, p.end_s * share) for p in chunk.phonemes
        ),
    )


def _times(sounds: list[_Sound], edges: NDArray[np.float64], end: float) -> list[_Phone]:
    """When each phoneme sounds; ``edges[i]`` is where ``sounds[i]`` begins.

    A stress mark owns time of its own, which is its vowel's; a length mark's and a space's is the
    phoneme's before it. Punctuation stays a gap. The last phoneme's predicted time includes
    silence, so nothing lasts beyond ``end``, where the sound does.
    """
    phones: list[_Phone] = []
    stressed_at: float | None = None
    for sound, first, last in zip(sounds, edges[:-1], edges[1:], strict=True):
        start, stop = min(max(0.0, float(first)), end), min(max(0.0, float(last)), end)
        if sound.symbol in "ˈˌ":
            stressed_at = start
        elif sound.symbol in "ː ":
            if phones and phones[-1].end_s >= start:
                phones[-1].end_s = stop
        elif _is_phone(sound.symbol):
            start = start if stressed_at is None else stressed_at
            stressed_at = None
            phones.append(_Phone(sound.symbol, start, stop, sound.word))
    return phones


def _follow_sound(phones: list[_Phone], wave: Wave) -> None:
    """Shrink the gap that punctuation leaves to what is silent of it, perhaps nothing.

    The voice often sounds on into a comma's time, or begins the next word within it.
    """
    power = _frame_power(wave)
    threshold = power.max() * _REST_POWER
    for before, after in pairwise(phones):
        first, last = int(before.end_s / _FRAME_S), int(after.start_s / _FRAME_S)
        if last - first < 2:
            continue
        gap = power[first:last]
        quiet = np.flatnonzero(gap < threshold)
        if not len(quiet):
            before.end_s = after.start_s = (first + int(gap.argmin()) + 1) * _FRAME_S
        else:
            before.end_s = max(before.end_s, (first + int(quiet[0])) * _FRAME_S)
            after.start_s = min(after.start_s, (first + int(quiet[-1]) + 1) * _FRAME_S)


def _word_spans(phones: list[_Phone]) -> dict[int, tuple[float, float]]:
    """Start and end of each spoken word."""
    spans: dict[int, tuple[float, float]] = {}
    for phone in phones:
        spans[phone.word] = (spans.get(phone.word, (phone.start_s,))[0], phone.end_s)
    return spans


def _written_words(
    text: str, spoken: list[str], times: dict[int, tuple[float, float]]
) -> tuple[WordTime, ...]:
    """Times of the words as written. "10 am" is said as "ten A.M.": such runs share their time."""
    written = text.split()
    matcher = SequenceMatcher(
        None, [word.lower() for word in written], [word.lower() for word in spoken], autojunk=False
    )
    found: list[WordTime] = []
    at = 0.0
    for _, first, last, spoken_first, spoken_last in matcher.get_opcodes():
        run = written[first:last]
        if len(run) == spoken_last - spoken_first:
            for word, index in zip(run, range(spoken_first, spoken_last), strict=True):
                span = times.get(index, (at, at))
                found.append(WordTime(word, *span))
                at = span[1]
        else:
            spans = [times[index] for index in range(spoken_first, spoken_last) if index in times]
            begin, end = (spans[0][0], spans[-1][1]) if spans else (at, at)
            found += _shared(run, begin, end)
            at = end
    return tuple(found)


def _shared(words: list[str], start: float, end: float) -> list[WordTime]:
    """A span dealt out to its words by their length."""
    letters = sum(len(word) for word in words)
    shared: list[WordTime] = []
    for word in words:
        stop = start + (end - start) * len(word) / letters
        letters -= len(word)
        shared.append(WordTime(word, start, stop))
        start = stop
    return shared


def _sounding(wave: Wave) -> tuple[float, float]:
    """Where sound begins and ends, in seconds: 5 ms frames within 40 dB of the loudest."""
    power = _frame_power(wave)
    loud = np.flatnonzero(power > power.max() * 1e-4)
    return float(loud[0] * _FRAME_S), float((loud[-1] + 1) * _FRAME_S)


def _frame_power(wave: Wave) -> Wave:
    return np.mean(wave[: len(wave) // _FADE * _FADE].reshape(-1, _FADE) ** 2, axis=1)


def _cut(wave: Wave, start: float, end: float, pause: float) -> NDArray[np.int16]:
    """``start`` to ``end`` with soft edges, then ``pause`` seconds of rest."""
    body = wave[int(start * RATE) : int((end + _NO_PAUSE_S) * RATE)].copy()
    body[:_FADE] *= np.linspace(0, 1, _FADE, dtype=np.float32)
    body[-_FADE:] *= np.linspace(1, 0, _FADE, dtype=np.float32)
    rest = np.zeros(max(0, int((pause - _NO_PAUSE_S) * RATE)), np.float32)
    return (np.clip(np.concatenate([body, rest]), -1, 1) * 32767).astype(np.int16)


def _split_long(sentence: str) -> Iterator[str]:
    while len(sentence) > _SENTENCE_LIMIT:
        at = max(sentence.rfind(mark, 0, _SENTENCE_LIMIT) for mark in (", ", "; ", ": ", "— "))
        if at < 0:
            at = sentence.rfind(" ", 0, _SENTENCE_LIMIT)
        if at < 0:
            break
        yield sentence[: at + 1].strip()
        sentence = sentence[at + 1 :].strip()
    if sentence:
        yield sentence


def _is_phone(symbol: str) -> bool:
    return symbol not in ' ,.!?;:—…"()“”ˈˌː'


def _with_output(model: bytes, tensor: str) -> bytes:
    """The ONNX model with an inner tensor as one more output."""
    name = tensor.encode()
    value_info = b"\x0a" + _varint(len(name)) + name
    graph = b"\x62" + _varint(len(value_info)) + value_info
    return model + b"\x3a" + _varint(len(graph)) + graph


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes([number])
    return bytes([number & 0x7F | 0x80]) + _varint(number >> 7)


def _open(model: bytes) -> Any:
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
