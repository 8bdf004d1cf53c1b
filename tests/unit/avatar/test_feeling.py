"""The puppet's life as the clock runs: feelings in its words, pauses, beginnings and ends."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest

from visavis.avatar.base import Phase, Playhead
from visavis.avatar.coefficients import INDEX, Pose
from visavis.avatar.puppet import Puppet
from visavis.avatar.rig import Rig
from visavis.avatar.topology import LOWER_LIP, UPPER_LIP
from visavis.media import (
    I420,
    OUTPUT_RATE,
    Emotion,
    EmotionTime,
    PhonemeTime,
    SpeechChunk,
    TurnSpeech,
)

SIZE = (128, 128)
SMILE, BROW = INDEX["mouthSmileLeft"], INDEX["browInnerUp"]
EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)


def said(
    symbols: str, *emotions: EmotionTime, turn: int = 1, start_s: float = 0.0, each_s: float = 0.1
) -> TurnSpeech:
    pcm = np.zeros(round(len(symbols) * each_s * OUTPUT_RATE), np.int16)
    times = tuple(PhonemeTime(s, n * each_s, (n + 1) * each_s) for n, s in enumerate(symbols))
    chunk = SpeechChunk(pcm, OUTPUT_RATE, symbols, phonemes=times, emotions=emotions)
    return TurnSpeech(turn, start_s, chunk)


class Stage:
    """A puppet and its clock, 25 frames a second. ``idle`` and ``speak`` return what was seen."""

    def __init__(self, rig: Rig, *, seed: int = 3) -> None:
        self.puppet = Puppet(rig, size=SIZE, seed=seed)
        self.now = Playhead(50_000_000, Phase.IDLE, 0, 0, None)

    def turn_to(self, phase: Phase, **changes: int | None) -> None:
        self.now = replace(
            self.now, phase=phase, phase_since_us=self.now.capture_us, position_s=None, **changes
        )

    def frames(self, seconds: float) -> Iterator[Pose]:
        for _ in range(round(seconds * 25)):
            yield self.puppet.pose(self.now)
            position = self.now.position_s
            self.now = replace(
                self.now,
                capture_us=self.now.capture_us + 40_000,
                position_s=None if position is None else position + 0.04,
            )

    def idle(self, seconds: float) -> list[Pose]:
        return list(self.frames(seconds))

    def speak(self, seconds: float, turn: int = 1) -> list[Pose]:
        self.turn_to(Phase.SPEAKING, turn_id=turn)
        self.now = replace(self.now, position_s=0.0)
        return list(self.frames(seconds))

    def finish(self, turn: int = 1) -> None:
        self.turn_to(Phase.IDLE)
        self.puppet.clear(turn)


@pytest.fixture
def stage(bare: Rig) -> Stage:
    return Stage(bare)


def course(poses: list[Pose], index: int) -> list[float]:
    return [float(pose.coefficients[index]) for pose in poses]


def test_a_feeling_begins_with_its_word_and_goes_after_the_last(stage: Stage, bare: Rig) -> None:
    stage.puppet.push_speech(said("s" * 20, EmotionTime("happy", 1.0, 0.8)))
    plain = Stage(bare)
    plain.puppet.push_speech(said("s" * 20))
    felt = np.array(course(stage.speak(2), SMILE)) - course(plain.speak(2), SMILE)
    assert np.abs(felt[:20]).max() < 0.01, "not before its word"
    assert 0.2 < felt[23] < 0.4, "half-way after an eighth of a second"
    assert felt[27:].min() > 0.55, "in full after a quarter"
    for one in (stage, plain):
        one.finish()
    gone = np.array(course(stage.idle(2), SMILE)) - course(plain.idle(2), SMILE)
    assert 0.2 < gone[18] < 0.4, "half-way after three quarters of a second"
    assert np.abs(gone[40:]).max() < 0.01, "gone after one and a half"
    assert np.abs(np.diff([*felt, *gone])).max() < 0.2


def test_feelings_give_way_to_the_mood_that_the_face_is_in(stage: Stage) -> None:
    stage.puppet.feel("sad", 1.0)
    sad = course(stage.idle(2), BROW)[-1]
    stage.puppet.push_speech(said("sssssssssssss", EmotionTime("happy", 1.0, 0.1)))
    happy = stage.speak(1)[-1]
    assert happy.coefficients[SMILE] > 0.6
    assert happy.coefficients[BROW] < sad - 0.5
    stage.finish()
    assert course(stage.idle(2.5), BROW)[-1] == pytest.approx(sad, abs=0.02)


def test_an_interrupted_turn_takes_the_feelings_to_come_with_it(stage: Stage) -> None:
    words = said("s" * 30, EmotionTime("happy", 1.0, 0.1), EmotionTime("sad", 1.0, 1.0))
    stage.puppet.push_speech(words)
    stage.puppet.push_speech(said("ss", EmotionTime("sad", 1.0, 0.0), start_s=3.0))
    smile = course(stage.speak(0.8), SMILE)[-1]
    stage.turn_to(Phase.INTERRUPTED)
    stage.puppet.clear(1)
    after = stage.idle(3)
    assert smile > 0.6
    assert course(after, SMILE)[-1] < 0.3
    assert max(course(after, INDEX["mouthFrownLeft"])) < 0.01
    stage.puppet.push_speech(said("ssssssssss", turn=2))
    assert max(course(stage.speak(1, turn=2), INDEX["mouthFrownLeft"])) < 0.01


def test_a_feeling_after_the_last_word_is_seen(stage: Stage) -> None:
    stage.puppet.push_speech(said("s" * 10))
    nothing = SpeechChunk(np.zeros(0, np.int16), OUTPUT_RATE, "")
    last = replace(nothing, emotions=(EmotionTime("happy", 1.0, -0.25),))
    stage.puppet.push_speech(TurnSpeech(1, 1.0, last))
    before = course(stage.speak(1), SMILE)
    stage.finish()
    assert before[15] < 0.2 < 0.5 < before[-1]
    assert max(course(stage.idle(1), SMILE)) > 0.5


def test_dropped_frames_change_no_feeling(bare: Rig) -> None:
    poses: list[Pose] = []
    for kept in (1, 5):
        one = Stage(bare)
        one.puppet.push_speech(said("stɑp" * 9, EmotionTime("surprised", 0.8, 0.33)))
        one.turn_to(Phase.SPEAKING, turn_id=1)
        for n in range(46):
            if n % kept == 0:
                poses.append(one.puppet.pose(replace(one.now, position_s=0.04 * n)))
            one.now = replace(one.now, capture_us=one.now.capture_us + 40_000)
    every, fifth = poses[:46], poses[46:]
    for one, other in zip(every[::5], fifth, strict=True):
        np.testing.assert_allclose(one.coefficients, other.coefficients, atol=1e-4)


def gap(puppet: Puppet, pose: Pose) -> float:
    """How far the lips are apart as drawn, as a share of the mouth's width."""
    mesh = puppet.draw(pose, I420.empty(*SIZE))
    apart = mesh.still[LOWER_LIP, 1] - mesh.still[UPPER_LIP, 1]
    return float(apart.max() / np.ptp(mesh.still[UPPER_LIP, 0]))


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize("face", ["ava", "bare"])
def test_no_feeling_parts_closed_lips_or_opens_a_silent_mouth(
    face: str, emotion: Emotion, request: pytest.FixtureRequest
) -> None:
    stage = Stage(request.getfixturevalue(face))
    stage.puppet.feel(emotion, 1.0)
    for phase in (Phase.IDLE, Phase.LISTENING, Phase.THINKING, Phase.INTERRUPTED):
        stage.turn_to(phase)
        assert gap(stage.puppet, stage.idle(1.5)[-1]) < 0.01, phase
    stage.puppet.push_speech(said("ɑpɑbɑmɑ", EmotionTime(emotion, 1.0, 0.0)))
    gaps = [gap(stage.puppet, pose) for pose in stage.speak(0.7)]
    for consonant in (0.15, 0.35, 0.55):
        near = [g for n, g in enumerate(gaps) if abs(n * 0.04 + 0.02 - consonant) <= 0.03]
        assert min(near) < 0.005, (emotion, consonant, gaps)
    assert max(gaps) > 0.2


def test_the_user_who_pauses_is_nodded_to_and_who_goes_on_is_not(bare: Rig) -> None:
    def deepest(pause_s: float, seed: int) -> float:
        one, still = Stage(bare, seed=seed), Stage(bare, seed=seed)
        for each in (one, still):
            each.turn_to(Phase.LISTENING)
            each.idle(2)
        one.now = replace(one.now, user_quiet_since_us=one.now.capture_us)
        nodding = one.idle(pause_s)
        one.now = replace(one.now, user_quiet_since_us=None)
        nodding += one.idle(1.5)
        away = [a.pitch - b.pitch for a, b in zip(nodding, still.idle(5), strict=False)]
        assert max(map(abs, away[:7])) < 1e-6, "not within the first quarter of a second"
        return float(np.rad2deg(max(away)))

    long = [deepest(0.6, seed) for seed in range(20)]
    assert 6 <= sum(1 < depth < 3.5 for depth in long) <= 18
    assert all(depth < 1e-6 or depth > 1 for depth in long)
    assert max(deepest(0.2, seed) for seed in range(20)) < 1e-6


def whole_turn(stage: Stage) -> list[Pose]:
    """Idle, listening with a pause, thinking, a breath, speech, an interruption, listening."""
    seen = stage.idle(0.4)
    stage.turn_to(Phase.LISTENING)
    seen += stage.idle(1)
    stage.now = replace(stage.now, user_quiet_since_us=stage.now.capture_us)
    seen += stage.idle(0.5)
    stage.now = replace(stage.now, user_quiet_since_us=None)
    stage.turn_to(Phase.THINKING, turn_id=1)
    seen += stage.idle(1)
    stage.puppet.push_speech(said("ˈɑpɪtsumɑ" * 4, EmotionTime("happy", 1.0, 0.3)))
    seen += stage.idle(0.2) + stage.speak(1.5)
    stage.turn_to(Phase.INTERRUPTED)
    stage.puppet.clear(1)
    return seen + stage.idle(2)


@pytest.mark.parametrize("seed", range(8))
def test_nothing_jumps_from_frame_to_frame_through_a_whole_turn(bare: Rig, seed: int) -> None:
    poses = whole_turn(Stage(bare, seed=seed))
    lids = [n for name, n in INDEX.items() if name.startswith("eye")]
    for n, (one, other) in enumerate(pairwise(poses)):
        turned = np.rad2deg([one.yaw - other.yaw, one.pitch - other.pitch, one.roll - other.roll])
        assert np.abs(turned).max() < 1.3, n
        assert abs(one.breath - other.breath) < 0.41, "a quick breath"
        moved = np.abs(np.delete(one.coefficients - other.coefficients, lids))
        assert moved.max() < 0.4, n
    jaw = course(poses, INDEX["jawOpen"])
    assert max(jaw[-50 + 3 :]) < 0.02, "at rest a tenth of a second after the interruption"
