import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from visavis.caller import voices
from visavis.caller.speech import SpeechError, recording, trim
from visavis.media import OUTPUT_RATE


def _wav(path: Path, pcm: np.ndarray, rate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.astype(np.int16).tobytes())
    return path


def _tone(seconds: float, rate: int) -> np.ndarray:
    return np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 200 / rate) * 8000


def test_a_recording_is_resampled_and_trimmed(tmp_path: Path) -> None:
    quiet = np.zeros(8000)
    path = _wav(tmp_path / "a.wav", np.concatenate([quiet, _tone(0.5, 16_000), quiet]), 16_000)
    utterance = recording(path)
    assert utterance.source == "a.wav"
    assert utterance.duration_s == pytest.approx(0.5, abs=0.03)
    assert np.abs(utterance.pcm).max() == pytest.approx(8000, rel=0.05)


def test_a_part_of_a_recording(tmp_path: Path) -> None:
    path = _wav(tmp_path / "a.wav", _tone(2.0, 22_050), 22_050)
    assert recording(path, start_s=0.5, end_s=1.5).duration_s == pytest.approx(1.0, abs=0.02)


def test_faint_background_is_not_speech() -> None:
    pcm = np.random.default_rng(1).integers(-20, 20, OUTPUT_RATE).astype(np.int16)
    pcm[20_000:30_000] += _tone(10_000 / OUTPUT_RATE, OUTPUT_RATE).astype(np.int16)
    assert len(trim(pcm)) == pytest.approx(10_000, abs=960)


@pytest.mark.parametrize("content", [b"", b"not sound at all"])
def test_unreadable_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(SpeechError, match="cannot be read"):
        recording(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match="cannot be read"):
        recording(tmp_path / "none.wav")


def test_an_unknown_voice_is_refused() -> None:
    with pytest.raises(SpeechError, match="No voice named 'ella'"):
        voices.speak("Hello.", "ella")


def test_piper_is_a_program_and_never_imported() -> None:
    if not voices.joe_installed():
        pytest.skip("Piper's joe voice is a development dependency")
    spoken = voices.speak("Hello there.", "joe")
    assert 0.4 < spoken.duration_s < 3
    assert not [name for name in sys.modules if name.split(".")[0] == "piper"]


@pytest.mark.models
def test_the_embedded_voice_speaks() -> None:
    assert 0.4 < voices.speak("Hello there.", "heart").duration_s < 3
