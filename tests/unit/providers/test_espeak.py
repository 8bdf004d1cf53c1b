"""eSpeak's phonemes, and lips found by them in another voice."""

import numpy as np
import pytest

from visavis.avatar.alignment import align
from visavis.avatar.visemes import VISEMES, segments
from visavis.providers.base import ProviderError
from visavis.providers.espeak import EspeakVoice, installed, spoken


def test_the_extra_is_installed_for_tests() -> None:
    assert installed()


@pytest.mark.parametrize(
    ("language", "text", "closures"),
    [("de", "Bitte machen Sie mehr Platz.", 4), ("es", "Papá, mamá.", 4)],
)
def test_phonemes_come_with_their_times(language: str, text: str, closures: int) -> None:
    chunk = spoken(text, language)
    assert chunk is not None
    assert np.abs(chunk.pcm).max() > 3000
    starts = [phoneme.start_s for phoneme in chunk.phonemes]
    assert starts == sorted(starts)
    assert chunk.phonemes[-1].end_s <= chunk.duration_s + 1e-6
    lips = [s for s in segments(chunk.phonemes) if VISEMES[s.viseme] == "PP"]
    assert len(lips) == closures


async def test_a_language_that_it_does_not_know_is_a_provider_error() -> None:
    async def clauses():
        yield "hello"

    assert spoken("hello", "qx") is None
    with pytest.raises(ProviderError, match="no qx"):
        [chunk async for chunk in EspeakVoice(lambda: "qx").speak(clauses(), voice="")]


def test_its_times_are_found_in_slower_speech() -> None:
    """The same words at another pace: what a vendor's voice would be."""
    known = spoken("Bitte machen Sie mehr Platz am Bahnhof.", "de")
    slower = np.interp(np.arange(0, len(known.pcm), 0.9), np.arange(len(known.pcm)), known.pcm)
    found = align(slower.astype(np.int16), known.sample_rate, [known])
    assert found is not None
    late = [
        abs(there.start_s - here.start_s / 0.9)
        for here, there in zip(known.phonemes, found.phonemes, strict=False)
    ]
    assert np.median(late) < 0.03
