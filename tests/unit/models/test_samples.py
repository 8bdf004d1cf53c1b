"""What the transcription endpoint accepts as sound."""

import io
import wave

import numpy as np
import pytest

from visavis.models.api_audio import samples_of
from visavis.models.api_errors import ApiError


def wav(pcm: np.ndarray, rate: int, channels: int = 1, width: int = 2) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sink:
        sink.setnchannels(channels)
        sink.setsampwidth(width)
        sink.setframerate(rate)
        sink.writeframes(pcm.tobytes())
    return buffer.getvalue()


def tone(rate: int) -> np.ndarray:
    return (np.sin(np.arange(rate) * 2 * np.pi * 440 / rate) * 16000).astype("<i2")


def test_wav_at_16_khz_is_taken_as_it_is():
    samples = samples_of(wav(tone(16000), 16000), "a.wav", "audio/wav")
    assert samples.dtype == np.float32
    assert np.allclose(samples, tone(16000) / 32768)


@pytest.mark.parametrize("rate", [8000, 24000, 44100, 48000])
def test_other_rates_are_resampled(rate):
    samples = samples_of(wav(tone(rate), rate), "a.wav", "")
    assert len(samples) == 16000
    inner = slice(1000, -1000)
    assert np.abs(samples - tone(16000) / 32768)[inner].max() < 0.01


def test_stereo_is_mixed():
    left_only = np.stack([tone(16000), np.zeros(16000, "<i2")], axis=1)
    samples = samples_of(wav(left_only, 16000, channels=2), "a.wav", "")
    assert np.allclose(samples, tone(16000) / 65536)


def test_raw_samples_by_name_or_type():
    data = tone(16000).tobytes()
    assert len(samples_of(data, "a.pcm", "")) == 16000
    assert len(samples_of(data + b"\x00", "blob", "audio/pcm")) == 16000


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"ID3 not a wav", 400),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", 400),
        (wav(np.zeros(10, np.uint8), 16000, width=1), 400),
        (bytes(25_000_001), 413),
    ],
)
def test_what_is_no_sound_is_refused(data, status):
    with pytest.raises(ApiError) as refusal:
        samples_of(data, "a.wav", "audio/wav")
    assert refusal.value.status == status
