"""Mouths that only the sound tells about."""

import numpy as np
import pytest

from tests.unit.avatar.formants import LASTS, SAID, spoken
from visavis.avatar.coefficients import ARKIT
from visavis.avatar.hearing import hear
from visavis.avatar.speech import SpeechTrack
from visavis.media import OUTPUT_RATE, PhonemeTime, SpeechChunk, TurnSpeech
from visavis.models.catalogue import model_path
from visavis.models.hibari import Hibari

JAW = ARKIT.index("jawOpen")
VOICE = spoken(LASTS, OUTPUT_RATE, pitch_hz=180)
T = np.arange(OUTPUT_RATE) / OUTPUT_RATE
NOISE = np.random.default_rng(0).normal(size=OUTPUT_RATE)
SOUNDS = {
    "a low tone": np.sin(2 * np.pi * 110 * T),
    "a high tone": np.sin(2 * np.pi * 3000 * T),
    "noise": NOISE / 4,
    "a hum that comes and goes": np.sin(2 * np.pi * 150 * T) * (np.sin(2 * np.pi * 3 * T) > 0),
    "speech": np.resize(VOICE.pcm / 32768, OUTPUT_RATE),
}


def track(pcm: np.ndarray, *phonemes: PhonemeTime) -> SpeechTrack:
    speech = SpeechTrack()
    speech.push(TurnSpeech(1, 0.0, SpeechChunk(pcm, OUTPUT_RATE, "", phonemes=phonemes)))
    return speech


@pytest.mark.parametrize("gain", [0.01, 0.1, 0.9])
@pytest.mark.parametrize("name", SOUNDS)
def test_no_sound_that_is_heard_leaves_the_mouth_at_rest(name: str, gain: float) -> None:
    pcm = (SOUNDS[name] * gain * 32767).clip(-32768, 32767).astype(np.int16)
    speech = track(pcm)
    for start in np.arange(0.02, 0.8, 0.04):
        piece = pcm[int(start * OUTPUT_RATE) : int((start + 0.1) * OUTPUT_RATE)] / 32768
        if np.mean(piece**2) < 0.1 * np.mean((pcm / 32768) ** 2):
            continue  # between two hums
        moves = [speech.mouth(at).coefficients.max() for at in np.arange(start, start + 0.1, 0.02)]
        assert max(moves) > 0.05


def test_silence_is_rest() -> None:
    silent = track(np.zeros(OUTPUT_RATE, np.int16))
    assert not silent.mouth(0.5).coefficients.any()
    assert silent.mouth(0.5).close == 0


def test_louder_vowels_open_the_jaw_and_pauses_close_it() -> None:
    heard = hear(VOICE.pcm, OUTPUT_RATE)
    vowel = VOICE.phonemes[SAID.index("ɑ")]
    open_, _ = heard.at((vowel.start_s + vowel.end_s) / 2)
    rest, _ = heard.at(VOICE.duration_s - 0.005)
    assert open_[JAW] > 0.15
    assert rest[JAW] < 0.02


def test_rates_and_kinds_of_samples_sound_the_same() -> None:
    at = np.arange(0.1, 1.2, 0.02)
    whole = hear(VOICE.pcm, OUTPUT_RATE)
    floats = hear((VOICE.pcm / 32768).astype(np.float32), OUTPUT_RATE)
    low = spoken(LASTS, 24_000, pitch_hz=180)
    slower = hear(low.pcm, 24_000)
    jaws = [[heard.at(t)[0][JAW] for t in at] for heard in (whole, floats, slower)]
    np.testing.assert_allclose(jaws[0], jaws[1], atol=1e-4)
    assert np.corrcoef(jaws[0], jaws[2])[0, 1] > 0.9


@pytest.mark.parametrize("samples", [1, 100, 480, 5000])
def test_the_shortest_sounds_are_heard(samples: int) -> None:
    pcm = np.full(samples, 9000, np.int16)
    shape, close = hear(pcm, OUTPUT_RATE).at(samples / OUTPUT_RATE / 2)
    assert np.isfinite(shape).all()
    assert 0 <= close <= 1


def test_sound_beyond_the_known_phonemes_is_listened_to() -> None:
    pcm = (SOUNDS["speech"] * 32767).astype(np.int16)
    half = track(pcm, PhonemeTime("ɑ", 0.0, 0.2), PhonemeTime("i", 0.2, 0.4))
    moves = [half.mouth(at).coefficients.max() for at in np.arange(0.7, 0.95, 0.02)]
    assert max(moves) > 0.05


def test_phonemes_that_nobody_knows_are_no_reason_to_be_still() -> None:
    pcm = (SOUNDS["speech"] * 32767).astype(np.int16)
    strange = track(pcm, PhonemeTime("☃", 0.0, 0.9))
    assert max(strange.mouth(at).coefficients.max() for at in np.arange(0.1, 0.9, 0.02)) > 0.1


@pytest.mark.models
def test_closed_lips_are_heard_in_a_voice() -> None:
    voice = Hibari(model_path("hibari-heart"))
    chunk = next(voice.speak("Bob may jump over the pond if he wants to impress mum."))
    heard = hear(chunk.pcm, chunk.sample_rate)

    def closed(symbols: str, *, within: float) -> float:
        """Share of these phonemes in whose middle part the lips close."""
        spans = [
            ((p.start_s + p.end_s) / 2, within * (p.end_s - p.start_s) / 2)
            for p in chunk.phonemes
            if p.symbol in symbols
        ]
        most = [max(heard.at(at)[1] for at in np.linspace(m - h, m + h, 6)) for m, h in spans]
        return float(np.mean(np.array(most) > 0.5))

    assert closed("pbm", within=1) >= 0.4
    assert closed("ɑAIæi", within=0.3) <= 0.25
