import numpy as np
import pytest

from visavis.avatar.animator import Animator, PhaseSpan, Speech
from visavis.avatar.base import Phase
from visavis.avatar.coefficients import ARKIT, INDEX
from visavis.avatar.moods import EASE_S, Moods
from visavis.avatar.rig import Limits
from visavis.avatar.visemes import Mouth

SMILE = INDEX["mouthSmileLeft"]


def test_a_mood_eases_in_and_out_again():
    moods = Moods()
    assert not moods.at(1_000_000).any()
    moods.turn_to("happy", 1.0)
    course = [moods.at(round(2e6 + t * EASE_S * 1e6))[SMILE] for t in np.linspace(0, 1, 9)]
    assert course[0] == 0
    assert (np.diff(course) > 0).all()
    assert np.diff(course).max() < 0.15
    moods.turn_to("neutral", 1.0)
    assert moods.at(9_000_000)[SMILE] == pytest.approx(course[-1])
    assert not moods.at(20_000_000).any()


def test_intensity_is_a_share_of_the_mood():
    full, half = Moods(), Moods()
    full.turn_to("sad", 3.0)
    half.turn_to("sad", 0.5)
    for moods in (full, half):
        moods.at(0)
    assert half.at(9_000_000) == pytest.approx(full.at(9_000_000) / 2)


def test_a_mood_is_seen_whatever_the_face_does_and_stays_in_range():
    limits = Limits(yaw=20, pitch=15, roll=10)
    animator = Animator(limits, seed=1)
    silent = Speech(Mouth(np.zeros(len(ARKIT), np.float32), 0.0))
    moods = Moods()
    moods.turn_to("happy", 1.0)
    moods.at(0)
    for phase in Phase:
        span = [PhaseSpan(phase, 0)]
        plain = animator.pose(5_000_000, span, silent).coefficients
        happy = animator.pose(5_000_000, span, silent, moods.at(5_000_000)).coefficients
        assert happy[SMILE] > plain[SMILE] + 0.3
        assert 0 <= happy.min() <= happy.max() <= 1
