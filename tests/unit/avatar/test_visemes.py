from itertools import pairwise

import numpy as np
import pytest

from visavis.avatar.coefficients import INDEX
from visavis.avatar.visemes import CLOSED, VISEME_OF, VISEMES, WEIGHTS, blend, segments
from visavis.media import PhonemeTime


def said(*symbols: str, each_s: float = 0.1) -> list[PhonemeTime]:
    return [PhonemeTime(s, i * each_s, (i + 1) * each_s) for i, s in enumerate(symbols)]


def names(phonemes: list[PhonemeTime]) -> list[str]:
    return [VISEMES[segment.viseme] for segment in segments(phonemes)]


def test_there_are_fifteen_visemes_and_only_closed_lips_are_closed() -> None:
    assert len(VISEMES) == 15 == len(set(VISEMES))
    assert WEIGHTS.shape == (15, 52)
    assert [name for name, closed in zip(VISEMES, CLOSED, strict=True) if closed] == ["PP"]


def test_every_symbol_of_the_embedded_voice_has_a_viseme() -> None:
    english = "AIOWYQbdfhijklmnpstuvwzæðŋɑɐɔəᵊɛɜɡɪɹɾɚʃʊʌʒʤʧθTᵻ"
    assert [s for s in english if not names(said(s))] == []


def test_diphthongs_are_two_visemes_in_the_time_of_one() -> None:
    first, second = segments(said("I", each_s=0.2))
    assert (VISEMES[first.viseme], VISEMES[second.viseme]) == ("aa", "ih")
    assert (first.start_s, first.end_s, second.end_s) == pytest.approx((0, 0.1, 0.2))


def test_marks_lend_their_time_to_the_vowel_and_stress_it() -> None:
    mark, vowel, long = said("ˈ", "ɑ", "ː", each_s=0.05)
    (segment,) = segments([mark, vowel, long])
    assert (segment.start_s, segment.end_s, segment.stressed) == pytest.approx((0, 0.15, True))


def test_spaces_and_strangers_are_passed_over_and_affricates_are_one() -> None:
    assert names(said("t", " ", "日", "ɑ")) == ["DD", "aa"]
    assert names(said("tʃ")) == ["CH"]
    assert names([]) == []


def test_a_chunk_is_placed_on_its_turn() -> None:
    assert segments(said("m"), start_s=3.0)[0].start_s == pytest.approx(3.0)


@pytest.mark.parametrize("symbol", [s for s, name in VISEME_OF.items() if name == "PP"])
@pytest.mark.parametrize("each_s", [0.03, 0.05, 0.12])
def test_lips_close_on_p_b_m_at_any_frame_rate_of_ours(symbol: str, each_s: float) -> None:
    track = segments(said("ɑ", symbol, "ɑ", each_s=each_s))
    for phase in np.linspace(0, 0.04, 9):
        frames = np.arange(phase, 3 * each_s, 0.04)
        assert max(blend(track, t).close for t in frames) == pytest.approx(1), (phase, each_s)


def test_an_open_vowel_opens_and_silence_is_still() -> None:
    track = segments(said("h", "ɑ", "ɑ", "ɑ"))
    jaw = INDEX["jawOpen"]
    assert blend(track, 0.25).coefficients[jaw] > 0.3
    assert blend(track, 0.7).coefficients.max() < 0.02
    assert blend(track, -0.3).coefficients.max() < 0.02
    assert blend([], 1.0).coefficients.max() == 0


def test_the_mouth_moves_without_jumps() -> None:
    track = segments(said(*"hɛləpˈɑpəsiɪtfəɹjuɹsɛlf", each_s=0.07))
    poses = [blend(track, t) for t in np.arange(0, 1.6, 0.005)]
    steps = [np.abs(b.coefficients - a.coefficients).max() for a, b in pairwise(poses)]
    assert max(steps) < 0.08
    assert max(abs(b.close - a.close) for a, b in pairwise(poses)) < 0.16


def test_neighbours_colour_a_consonant() -> None:
    funnel = INDEX["mouthPucker"]
    before_oo = blend(segments(said("t", "u")), 0.05).coefficients[funnel]
    before_ee = blend(segments(said("t", "i")), 0.05).coefficients[funnel]
    assert before_oo > before_ee + 0.02


def test_every_shape_differs_from_every_other() -> None:
    for one, name in enumerate(VISEMES):
        for other in range(one):
            apart = float(np.abs(WEIGHTS[one] - WEIGHTS[other]).sum())
            assert apart > 0.4, (name, VISEMES[other], apart)


def test_f_and_v_bring_the_lower_lip_to_the_teeth() -> None:
    lip = blend(segments(said("ɑ", "f", "ɑ", each_s=0.08)), 0.12).coefficients
    assert lip[INDEX["mouthRollLower"]] > 0.45
    assert lip[INDEX["mouthUpperUpLeft"]] > 0.2, "the teeth are seen"
    assert lip[INDEX["jawOpen"]] < 0.2


def test_lips_are_rounded_before_a_rounded_vowel_while_the_jaw_keeps_to_each_sound() -> None:
    pucker, jaw = INDEX["mouthPucker"], INDEX["jawOpen"]
    stew, steel = (segments(said("s", "t", vowel, each_s=0.08)) for vowel in "ui")
    full = blend(stew, 0.2).coefficients[pucker]
    ahead = [float(blend(stew, 0.16 - early).coefficients[pucker]) for early in (0.04, 0.08, 0.12)]
    assert ahead[0] > 0.4 * full > ahead[1] > 0.15 * full > ahead[2] > 0.02
    assert blend(steel, 0.12).coefficients[pucker] < 0.01
    assert blend(stew, 0.08).coefficients[jaw] == pytest.approx(
        blend(steel, 0.08).coefficients[jaw], abs=0.02
    )
    cow = segments(said("k", "W", each_s=0.2))
    assert blend(cow, 0.24).coefficients[pucker] < 0.15, "an open vowel is open first"


def test_silence_before_a_rounded_vowel_is_not_rounded() -> None:
    assert blend(segments(said("t", "u")), -0.15).coefficients.max() < 0.05
