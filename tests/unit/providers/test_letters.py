"""Spelling to lips."""

import pytest

from visavis.avatar.visemes import VISEMES, segments
from visavis.providers.letters import phonemes_of


def shapes(text: str) -> list[str]:
    starts = [0.1 * n for n in range(len(text))]
    said = phonemes_of(text, starts, [start + 0.1 for start in starts])
    return [VISEMES[segment.viseme] for segment in segments(said)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bob", ["PP", "oh", "PP"]),
        ("photo", ["FF", "oh", "DD", "oh"]),
        ("shoe", ["CH", "oh"]),
        ("the map", ["TH", "E", "PP", "aa", "PP"]),
        ("moon.", ["PP", "ou", "nn", "sil"]),
    ],
)
def test_letters_shape_the_lips(text: str, expected: list[str]) -> None:
    assert shapes(text) == expected


def test_times_cover_both_letters_of_a_pair() -> None:
    (one,) = phonemes_of("sh", [0.0, 0.1], [0.1, 0.25])
    assert (one.symbol, one.start_s, one.end_s) == ("ʃ", 0.0, 0.25)
