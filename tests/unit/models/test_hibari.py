"""Placing durations on phonemes and words; the voice itself is tested behind the host."""

import numpy as np
import pytest

from visavis.models import hibari
from visavis.models.hibari import (
    _follow_sound,
    _Phone,
    _Sound,
    _split_long,
    _times,
    _with_output,
    _word_spans,
    _written_words,
)


def sounds(*words: str) -> list[_Sound]:
    text = " ".join(words)
    return [_Sound(char, text[:at].count(" ")) for at, char in enumerate(text)]


def timed(*words: str, end: float = 99.0):
    symbols = sounds(*words)
    phones = _times(symbols, np.arange(len(symbols) + 1) * 0.1, end)
    return phones, _word_spans(phones)


def test_a_stress_mark_gives_its_time_to_the_vowel_after_it():
    phones, _ = timed("hˈI")
    assert [(p.symbol, p.start_s, p.end_s) for p in phones] == [
        ("h", 0.0, 0.1),
        ("I", 0.1, pytest.approx(0.3)),
    ]


def test_a_length_mark_and_a_space_belong_to_the_phoneme_before():
    phones, words = timed("uː", "a")
    assert [(p.symbol, round(p.end_s, 3)) for p in phones] == [("u", 0.3), ("a", 0.4)]
    assert words[0] == (0.0, pytest.approx(0.3))
    assert words[1] == (pytest.approx(0.3), pytest.approx(0.4))


def test_punctuation_is_a_rest():
    phones, _ = timed("a,", "b")
    assert phones[0].end_s == pytest.approx(0.1)
    assert phones[1].start_s == pytest.approx(0.3)


def test_nothing_lasts_longer_than_the_sound():
    phones, words = timed("abc", end=0.25)
    assert phones[-1].end_s == 0.25
    assert words[0] == (0.0, 0.25)


def test_words_keep_their_spelling_and_share_the_time_of_what_is_said():
    spoken = ["at", "ten", "thirty", "A.M.", "sharp."]
    times = {index: (index * 1.0, index + 1.0) for index in range(5)}
    words = _written_words("At 10:30 am sharp.", spoken, times)
    assert [word.text for word in words] == ["At", "10:30", "am", "sharp."]
    assert (words[1].start_s, words[2].end_s) == (1.0, 4.0)
    assert words[1].end_s == words[2].start_s == pytest.approx(1 + 3 * 5 / 7)


def test_a_word_without_sound_takes_no_time():
    words = _written_words("yes — no", ["yes", "—", "no"], {0: (0.0, 0.5), 2: (0.7, 1.0)})
    assert [(w.text, w.start_s, w.end_s) for w in words] == [
        ("yes", 0.0, 0.5),
        ("—", 0.5, 0.5),
        ("no", 0.7, 1.0),
    ]


def test_a_long_sentence_is_cut_at_its_commas_and_nothing_is_lost():
    sentence = ", ".join(["and then there was another thing to say"] * 12) + "."
    pieces = list(_split_long(sentence))
    assert all(len(piece) <= hibari._SENTENCE_LIMIT for piece in pieces)
    assert " ".join(pieces) == sentence


def test_endless_text_without_spaces_still_ends():
    assert "".join(_split_long("x" * 1000)) == "x" * 1000


def test_an_output_is_added_as_one_protobuf_field():
    assert _with_output(b"model", "/x") == b"model" + b"\x3a\x06" + b"\x62\x04" + b"\x0a\x02/x"


def test_a_lone_dash_after_the_sound_has_ended_is_harmless():
    phones, words = timed("a", "—", "b", end=0.05)
    assert [p.end_s for p in phones] == [0.05, 0.05]
    assert 1 not in words


def wave_with(*sounding: tuple[float, float]) -> np.ndarray:
    wave = np.zeros(24_000, np.float32)
    for start, end in sounding:
        wave[int(start * 24_000) : int(end * 24_000)] = 0.5
    return wave


def edges_after(wave: np.ndarray) -> tuple[float, float]:
    before, after = _Phone("s", 0.0, 0.3, 0), _Phone("a", 0.5, 0.8, 1)
    _follow_sound([before, after], wave)
    return before.end_s, after.start_s


def test_a_rest_is_only_what_is_silent():
    assert edges_after(wave_with((0, 0.35), (0.45, 0.8))) == pytest.approx((0.35, 0.45), abs=0.006)
    assert edges_after(wave_with((0, 0.3), (0.5, 0.8))) == pytest.approx((0.3, 0.5), abs=0.006)


def test_sound_without_a_rest_is_shared_at_its_weakest_point():
    wave = wave_with((0, 0.8))
    wave[int(0.4 * 24_000) : int(0.405 * 24_000)] = 0.1
    end, start = edges_after(wave)
    assert end == start == pytest.approx(0.405, abs=0.006)
