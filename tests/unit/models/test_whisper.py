"""The rules around the short audio context; the model itself is tested behind the host."""

import numpy as np
import pytest

from visavis.models.whisper import RATE, collapse, context_for, plausible, windows


@pytest.mark.parametrize(
    ("duration_s", "context_s"), [(0.5, 8.0), (6.0, 8.0), (6.1, 8.5), (10.0, 12.0), (29.5, 30.0)]
)
def test_context_leaves_two_seconds_of_slack(duration_s, context_s):
    assert context_for(duration_s) == context_s


def test_a_loop_is_collapsed_only_when_too_wordy():
    loop = "It was the best of times. " * 5
    assert collapse(loop, 2.0) == "It was the best of times."
    assert collapse("No no no no", 2.0) == "No no no no"
    assert collapse("one two three four five six seven eight nine ten eleven", 2.0).endswith(
        "eleven"
    )


def test_too_few_words_for_long_speech_are_implausible():
    assert not plausible("Could", 3.0, voiced_s=2.2)
    assert plausible("Could you tell me", 3.0, voiced_s=2.2)
    assert not plausible("word " * 20, 3.0, voiced_s=2.2)
    assert plausible("", 3.0, voiced_s=0.4)


def test_long_audio_is_cut_in_its_pauses_and_nothing_is_lost():
    rng = np.random.default_rng(7)
    samples = rng.standard_normal(50 * RATE).astype(np.float32)
    samples[int(25.0 * RATE) : int(25.4 * RATE)] = 0
    pieces = list(windows(samples))
    assert np.array_equal(np.concatenate(pieces), samples)
    assert all(len(piece) <= 28 * RATE for piece in pieces)
    assert 25.0 <= len(pieces[0]) / RATE <= 25.4
