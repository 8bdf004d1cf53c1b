"""Times moved from one voice to another."""

import numpy as np
import pytest

from tests.unit.avatar.formants import LASTS, PACES, SAID, spoken
from visavis.avatar.alignment import align, power, warp
from visavis.media import Pcm, SpeechChunk
from visavis.models.catalogue import model_path
from visavis.models.hibari import Hibari


@pytest.fixture(scope="module")
def reference() -> SpeechChunk:
    return spoken(LASTS, 24_000, pitch_hz=200)


@pytest.mark.parametrize(
    ("rate", "pitch_hz", "tract", "lead_s"),
    [(24_000, 200, 1.0, 0.05), (16_000, 120, 0.86, 0.5), (48_000, 170, 0.95, 0.0)],
)
def test_boundaries_are_found_in_another_voice(
    reference: SpeechChunk, rate: int, pitch_hz: float, tract: float, lead_s: float
) -> None:
    other = spoken(LASTS * PACES, rate, pitch_hz=pitch_hz, tract=tract, lead_s=lead_s)
    found = align(other.pcm, rate, [reference])
    assert found is not None
    assert [p.symbol for p in found.phonemes] == list(SAID)
    away = [abs(a.start_s - b.start_s) for a, b in zip(found.phonemes, other.phonemes, strict=True)]
    assert np.median(away) < 0.015
    assert max(away) < 0.06
    assert found.words[0].text == "mosey"
    assert found.words[0].end_s == pytest.approx(other.phonemes[3].end_s, abs=0.04)


def test_a_reference_in_pieces_is_one_text(reference: SpeechChunk) -> None:
    other = spoken(LASTS * PACES, 24_000, pitch_hz=150)
    whole = np.concatenate([other.pcm, other.pcm])
    found = align(whole, 24_000, [reference, reference])
    assert found is not None
    second = found.phonemes[len(SAID)]
    assert second.symbol == "m"
    assert second.start_s == pytest.approx(other.duration_s + 0.05, abs=0.05)


def test_a_pause_that_only_the_other_voice_makes_is_no_phoneme(reference: SpeechChunk) -> None:
    cut = round(reference.phonemes[4].start_s * 24_000)
    rest = np.zeros(12_000, np.int16)
    paused = np.concatenate([reference.pcm[:cut], rest, reference.pcm[cut:]])
    found = align(paused, 24_000, [reference])
    assert found is not None
    middle = reference.phonemes[4].start_s + 0.25
    assert not [p for p in found.phonemes if p.start_s < middle < p.end_s]
    assert found.phonemes[-1].end_s == pytest.approx(reference.phonemes[-1].end_s + 0.5, abs=0.03)


def test_times_are_in_order_and_within_the_sound(reference: SpeechChunk) -> None:
    other = spoken(LASTS * PACES, 22_050, pitch_hz=110, tract=0.85)
    found = align(other.pcm, 22_050, [reference])
    assert found is not None
    starts = [p.start_s for p in found.phonemes]
    assert starts == sorted(starts)
    assert all(p.start_s <= p.end_s for p in found.phonemes)
    assert starts[0] >= 0
    assert found.phonemes[-1].end_s <= other.duration_s


def test_noise_is_not_trusted(reference: SpeechChunk) -> None:
    noise = np.random.default_rng(2).normal(0, 4000, len(reference.pcm)).astype(np.int16)
    assert align(noise, 24_000, [reference]) is None


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3, 5.0, 60.0])
def test_a_sound_of_quite_another_length_is_not_trusted(
    reference: SpeechChunk, seconds: float
) -> None:
    tone = 8000 * np.sin(np.arange(int(24_000 * seconds)) / 9)
    assert align(tone.astype(np.int16), 24_000, [reference]) is None


def test_silence_and_nothing_are_not_trusted(reference: SpeechChunk) -> None:
    silence: Pcm = np.zeros(24_000, np.int16)
    assert align(silence, 24_000, [reference]) is None
    assert align(reference.pcm, 24_000, []) is None
    assert warp(reference.pcm, 24_000, silence, 24_000) is None
    assert warp(reference.pcm, 4_000, reference.pcm, 24_000) is None


def test_power_is_per_frame_and_relative_to_full_scale() -> None:
    pcm = np.concatenate([np.zeros(240), np.full(245, 16384)]).astype(np.int16)
    np.testing.assert_allclose(power(pcm, 24_000), [0, 0.25])


@pytest.mark.models
def test_a_real_voice_is_trusted_with_its_words_and_no_others() -> None:
    voice = Hibari(model_path("hibari-heart"))
    text = "Press the yellow button, then wait for the beep."
    known, other = list(voice.speak(text)), list(voice.speak("My brother bought a brown umbrella."))
    slow = next(voice.speak(text, 0.8))
    found = align(slow.pcm, slow.sample_rate, known)
    assert found is not None
    away = [abs(a.start_s - b.start_s) for a, b in zip(found.phonemes, slow.phonemes, strict=True)]
    assert np.median(away) < 0.015
    assert align(slow.pcm, slow.sample_rate, other) is None
