"""eSpeak NG: not a voice to be heard, but times of phonemes in some hundred languages.

GPL, so it is an extra that the user installs (``pip install visavis[espeak]``), loaded only when a
session needs it. The library has one state for the whole process: calls take turns.
"""

import asyncio
import ctypes
import importlib
import importlib.util
import threading
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any

import numpy as np

from visavis.media import Pcm, PhonemeTime, SpeechChunk
from visavis.providers.base import ProviderError

_PACKAGE = "espeakng_loader"
_RETRIEVAL, _PHONEME_EVENTS_IN_IPA = 1, 0x0003
_UTF8 = 1
_END, _PHONEME = 0, 7
_OTHER_NAMES = {"zh": "cmn", "no": "nb"}
_lock = threading.Lock()


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """``espeak_EVENT`` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Heard = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class EspeakVoice:
    """A ``TextToSpeech`` in the language that ``language`` names when a clause comes."""

    def __init__(self, language: Callable[[], str]) -> None:
        self._language = language

    async def speak(self, text: AsyncIterator[str], *, voice: str) -> AsyncIterator[SpeechChunk]:
        """See ``TextToSpeech``; ``voice`` is of no matter."""
        async for clause in text:
            language = self._language()
            chunk = await asyncio.to_thread(spoken, clause, language)
            if chunk is None:
                message = f"eSpeak NG speaks no {language}."
                raise ProviderError("language_unavailable", message, retryable=False)
            yield chunk


def installed() -> bool:
    """Whether the extra is there. Loads nothing."""
    return importlib.util.find_spec(_PACKAGE) is not None


def spoken(text: str, language: str) -> SpeechChunk | None:
    """``text`` with its phonemes; None for a language that eSpeak does not know. Blocks."""
    pcm: list[Pcm] = []
    begins: list[tuple[float, str]] = []

    @_Heard
    def hear(wave: Any, count: int, events: Any) -> int:
        if wave and count:
            pcm.append(np.ctypeslib.as_array(wave, (count,)).astype(np.int16))
        n = 0
        while events[n].type != _END:
            if events[n].type == _PHONEME:
                symbol = events[n].id.string.decode("utf-8", "ignore")
                begins.append((events[n].audio_position / 1000, symbol))
            n += 1
        return 0

    with _lock:
        library, rate = _library()
        if not _turn_to(library, language):
            return None
        library.espeak_SetSynthCallback(hear)
        data = text.encode() + b"\0"
        library.espeak_Synth(data, len(data), 0, 0, 0, _UTF8, None, None)
        library.espeak_Synchronize()
    sound = np.concatenate(pcm) if pcm else np.zeros(0, np.int16)
    ends = [start for start, _ in begins[1:]] + [len(sound) / rate]
    phonemes = tuple(
        PhonemeTime(symbol, start, end)
        for (start, symbol), end in zip(begins, ends, strict=True)
        if symbol and end > start
    )
    return SpeechChunk(sound, rate, text, phonemes=phonemes)


def _turn_to(library: Any, language: str) -> bool:
    """Choose a voice of the language: as it is written, then without its region."""
    short = language.lower().partition("-")[0]
    names = (language.lower(), short, _OTHER_NAMES.get(short, short))
    return any(library.espeak_SetVoiceByName(name.encode()) == 0 for name in names)


@cache
def _library() -> tuple[Any, int]:
    """The library, opened once, and its sample rate."""
    loader: Any = importlib.import_module(_PACKAGE)
    library: Any = ctypes.CDLL(loader.get_library_path())
    data = str(loader.get_data_path()).encode()
    rate = library.espeak_Initialize(_RETRIEVAL, 0, data, _PHONEME_EVENTS_IN_IPA)
    if rate <= 0:
        raise ProviderError("failed", "eSpeak NG does not start.", retryable=False)
    return library, int(rate)
