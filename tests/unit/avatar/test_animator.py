from collections.abc import Callable
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest

from visavis.avatar.animator import Animator, PhaseSpan, Speech, inhaled, let_go
from visavis.avatar.base import Phase
from visavis.avatar.coefficients import INDEX, Pose, vector
from visavis.avatar.moods import Moods
from visavis.avatar.nods import Nod, nod_in
from visavis.avatar.rig import Limits
from visavis.avatar.visemes import Mouth, blend, segments
from visavis.media import Emotion, PhonemeTime

SILENT = Speech(Mouth(vector({}), 0.0))
LEFT, RIGHT = INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]


def life(phase: Phase, seconds: float, *, seed: int = 1, fps: int = 25) -> list[Pose]:
    animator = Animator(Limits(), seed)
    span = [PhaseSpan(phase, 0)]
    times = np.arange(0, seconds, 1 / fps)
    return [animator.pose(round(t * 1e6), span, SILENT) for t in times]


def blinks(poses: list[Pose]) -> list[float]:
    return [float(pose.coefficients[LEFT]) for pose in poses]


def test_the_same_moment_is_the_same_pose_whatever_came_before() -> None:
    span = [PhaseSpan(Phase.LISTENING, 0)]
    one, other = Animator(Limits(), 5), Animator(Limits(), 5)
    for t in range(0, 3_000_000, 40_000):
        one.pose(t, span, SILENT)
    a, b = one.pose(9_000_000, span, SILENT), other.pose(9_000_000, span, SILENT)
    np.testing.assert_array_equal(a.coefficients, b.coefficients)
    assert (a.yaw, a.pitch, a.roll, a.gaze, a.breath) == (b.yaw, b.pitch, b.roll, b.gaze, b.breath)


def test_another_seed_is_another_life() -> None:
    one, other = life(Phase.IDLE, 20, seed=1), life(Phase.IDLE, 20, seed=2)
    assert blinks(one) != blinks(other)


def test_blinks_come_every_few_seconds_close_fully_and_both_eyes_together() -> None:
    poses = life(Phase.IDLE, 300)
    closed = np.array(blinks(poses)) > 0.99
    count = int((np.diff(closed.astype(int)) == 1).sum())
    assert 45 < count < 110, "about one in four seconds"
    assert all(p.coefficients[LEFT] == p.coefficients[RIGHT] for p in poses)
    assert np.mean(np.array(blinks(poses)) > 0.1) < 0.12, "eyes are open most of the time"


def test_the_idle_face_is_never_still_and_never_jumps() -> None:
    for phase in Phase:
        poses = life(phase, 30)
        turns = np.array([(p.yaw, p.pitch, p.roll) for p in poses])
        steps = np.abs(np.diff(turns, axis=0)).max()
        assert 0 < turns.std() < 0.1
        assert steps < 0.02, f"{phase}: {np.rad2deg(steps):.1f} degrees in a frame"


def test_the_head_stays_within_the_rig_and_weights_within_one() -> None:
    animator = Animator(Limits(yaw=1, pitch=1, roll=0), 3)
    loud = Speech(Mouth(vector({"jawOpen": 1, "browInnerUp": 1}), 1.0), stress=1.0)
    for t in range(0, 60_000_000, 170_000):
        pose = animator.pose(t, [PhaseSpan(Phase.SPEAKING, 0)], loud)
        assert abs(pose.yaw) <= np.deg2rad(1) + 1e-9
        assert abs(pose.pitch) <= np.deg2rad(1) + 1e-9
        assert pose.roll == 0
        assert 0 <= pose.coefficients.min() <= pose.coefficients.max() <= 1


def test_phases_ease_into_each_other() -> None:
    animator = Animator(Limits(), 4)
    spans = [PhaseSpan(Phase.LISTENING, 0), PhaseSpan(Phase.THINKING, 5_000_000)]
    poses = [
        animator.pose(t, spans[:1] if t < 5_000_000 else spans, SILENT)
        for t in range(4_800_000, 5_800_000, 10_000)
    ]
    gaze = np.array([pose.gaze for pose in poses])
    assert np.abs(np.diff(gaze, axis=0)).max() < 0.2
    assert gaze[-1, 1] < -0.3, "thinking looks up"
    assert abs(gaze[-1, 0]) > 0.3, "and aside"
    assert abs(gaze[0]).max() < 0.35, "listening looks at you"


def test_an_interruption_raises_the_brows_at_once() -> None:
    animator = Animator(Limits(), 4)
    spans = [PhaseSpan(Phase.SPEAKING, 0), PhaseSpan(Phase.INTERRUPTED, 2_000_000)]
    brow = INDEX["browInnerUp"]
    before = animator.pose(2_000_000, spans, SILENT).coefficients[brow]
    after = animator.pose(2_300_000, spans, SILENT).coefficients[brow]
    assert after > before + 0.2


def test_waiting_speech_draws_a_breath_opens_the_eyes_and_looks_up() -> None:
    animator = Animator(Limits(), 4)
    span = [PhaseSpan(Phase.THINKING, 0)]
    waiting = animator.pose(3_000_000, span, Speech(SILENT.mouth, inhale=inhaled(0.4, None)))
    thinking = animator.pose(3_000_000, span, SILENT)
    assert waiting.breath == 1
    assert waiting.coefficients[INDEX["jawOpen"]] > 0.02
    assert waiting.coefficients[INDEX["eyeWideLeft"]] > 0.05
    assert abs(waiting.gaze[0]) < 0.35 < abs(thinking.gaze[0]), "eyes come back before the words"


def test_the_breath_is_given_back_without_a_jump() -> None:
    course = [inhaled(t, None) for t in np.arange(0, 0.6, 0.04)]
    course += [inhaled(0.6 + t, t) for t in np.arange(0, 1, 0.04)]
    assert course[0] == 0 == course[-1]
    assert max(course) == 1
    assert max(abs(b - a) for a, b in pairwise(course)) < 0.21
    short = [inhaled(0.1 + t, t) for t in np.arange(0, 1, 0.04)]
    assert short[0] == inhaled(0.1, None) == max(short)


def test_speech_let_go_of_is_at_rest_in_time() -> None:
    speech = Speech(Mouth(vector({"jawOpen": 0.5}), 0.8), stress=1.0)
    assert let_go(speech, 0.0).mouth.coefficients.max() == np.float32(0.5)
    assert 0 < let_go(speech, 0.05).mouth.close < 0.8
    assert let_go(speech, 0.1).mouth.coefficients.max() == 0
    assert let_go(speech, 0.4).stress == 0


def test_an_interrupted_face_soon_listens() -> None:
    animator = Animator(Limits(), 4)
    brow = INDEX["browOuterUpLeft"]
    startled, listening = (
        animator.pose(6_000_000, [PhaseSpan(Phase.SPEAKING, 0), PhaseSpan(phase, at)], SILENT)
        for phase, at in ((Phase.INTERRUPTED, 3_000_000), (Phase.LISTENING, 2_000_000))
    )
    np.testing.assert_allclose(startled.coefficients, listening.coefficients, atol=1e-5)
    assert startled.coefficients[brow] < 0.05


def test_closed_lips_win_over_every_other_layer() -> None:
    rest = vector({"mouthSmile": 0.2, "mouthUpperUp": 0.1})
    animator = Animator(Limits(), 4, rest)
    mood = vector({"mouthSmile": 0.5, "mouthStretch": 0.3, "mouthLowerDown": 0.2, "jawOpen": 0.1})
    closed = Speech(Mouth(vector({"mouthPress": 0.45}), 1.0), stress=1.0, inhale=1.0)
    for phase in Phase:
        pose = animator.pose(5_000_000, [PhaseSpan(phase, 0)], closed, mood)
        weights = {name: float(pose.coefficients[INDEX[name]]) for name in INDEX}
        for name in ("jawOpen", "mouthUpperUpLeft", "mouthLowerDownLeft", "mouthStretchLeft"):
            assert weights[name] == pytest.approx(0, abs=1e-6), (phase, name)
        assert 0.2 < weights["mouthSmileLeft"] < 0.4, "only the corners of a feeling stay"
        assert weights["mouthPressLeft"] == pytest.approx(0.45)
        assert pose.close == 1


def test_an_open_mouth_is_not_pressed_by_what_the_face_feels() -> None:
    animator = Animator(Limits(), 4)
    vowel = Speech(Mouth(vector({"jawOpen": 0.4}), 0.0))
    mood = vector({"mouthPress": 0.3})
    pose = animator.pose(5_000_000, [PhaseSpan(Phase.THINKING, 0)], vowel, mood)
    assert pose.coefficients[INDEX["mouthPressLeft"]] == 0
    assert pose.coefficients[INDEX["jawOpen"]] == np.float32(0.4)


# -- whatever happens: a wild life of phases, speech, moods and nods, made by a seed


def wild(seed: int) -> Callable[[float], Pose]:
    """The pose at a moment of a life in which everything happens, a pure function of the time."""
    rng = np.random.default_rng(seed)
    animator = Animator(Limits(), seed, vector({"mouthSmile": 0.1}))
    starts = np.cumsum(rng.uniform(0.4, 3, 40))
    spans = [PhaseSpan(rng.choice(list(Phase)), round(1e6 * t)) for t in starts]
    symbols = rng.choice(list("pbmɑiuoeftsʃkln"), 400)
    track = segments([PhonemeTime(s, 0.09 * n, 0.09 * n + 0.09) for n, s in enumerate(symbols)])
    feelings = list(get_args(Emotion))
    changes = [(round(1e6 * t), rng.choice(feelings)) for t in np.arange(0, 40, 0.7)]
    nods: list[Nod] = []
    for pause in np.cumsum(rng.uniform(0.3, 2, 30)):
        if nod := nod_in(round(1e6 * pause), nods[-1] if nods else None, seed):
            nods.append(nod)

    def at(moment_s: float) -> Pose:
        now = round(1e6 * moment_s)
        moods = Moods()
        for since_us, emotion in changes:
            if since_us <= now:
                moods.feel(emotion, 1.0, since_us)
        phases = [span for span in spans if span.since_us <= now][-4:]
        speech = Speech(
            blend(track, moment_s),
            stress=0.5,
            inhale=inhaled(moment_s, max(0.0, moment_s - 3)),
            lips=lambda ago: blend(track, moment_s - ago).close,
            phrase_ends_us=tuple(t for t in range(0, now, 2_900_000))[-3:],
        )
        return animator.pose(now, phases or spans[:1], speech, moods.at(now), nods)

    return at


def same(one: Pose, other: Pose) -> bool:
    rest = [(p.close, p.yaw, p.pitch, p.roll, p.gaze, p.breath) for p in (one, other)]
    return np.array_equal(one.coefficients, other.coefficients) and rest[0] == rest[1]


@pytest.mark.parametrize("seed", range(3))
def test_a_wild_life_is_pure_bounded_smooth_and_keeps_its_lips_closed(seed: int) -> None:
    times = np.arange(0, 24, 0.04)
    one, other = wild(seed), wild(seed)
    poses = [one(float(t)) for t in times]
    for n in np.random.default_rng(seed).permutation(len(times))[:60]:
        assert same(poses[n], other(float(times[n]))), "whatever was asked before"
    weights = np.array([p.coefficients for p in poses])
    angles = np.array([(p.yaw, p.pitch, p.roll) for p in poses])
    assert 0 <= weights.min() <= weights.max() <= 1
    limits = Limits()
    assert (np.abs(angles) <= np.deg2rad([limits.yaw, limits.pitch, limits.roll]) + 1e-9).all()
    assert np.abs(np.array([p.gaze for p in poses])).max() <= 1

    steps = np.abs(np.diff(weights, axis=0))
    lids = [LEFT, RIGHT]
    assert np.delete(steps, lids, axis=1).max() < 0.6, "a p after a vowel is as fast as it gets"
    brows = [n for name, n in INDEX.items() if name.startswith(("brow", "cheek"))]
    assert steps[:, brows].max() < 0.25
    assert np.rad2deg(np.abs(np.diff(angles, axis=0))).max() < 1.3
    assert np.abs(np.diff([p.breath for p in poses])).max() < 0.25

    closed = np.array([p.close for p in poses]) > 0.99
    assert closed.sum() > 20
    parting = [INDEX[name] for name in ("mouthUpperUpLeft", "mouthLowerDownLeft", "mouthFunnel")]
    assert weights[closed][:, parting].max() < 0.3
    assert weights[closed][:, INDEX["jawOpen"]].max() < 0.1


@pytest.mark.parametrize("phase", list(Phase))
def test_no_phase_is_ever_frozen_and_eyes_blink_at_a_human_rate(phase: Phase) -> None:
    animator = Animator(Limits(), 11)
    phrases = tuple(range(0, 150_000_000, 3_300_000)) if phase is Phase.SPEAKING else ()
    poses: list[Pose] = []
    for at_us in range(0, 150_000_000, 40_000):
        ends = tuple(at for at in phrases if at_us - 9_000_000 < at <= at_us)
        speech = Speech(SILENT.mouth, phrase_ends_us=ends)
        poses.append(animator.pose(at_us, [PhaseSpan(phase, 0)], speech))
    moving = np.array([(p.yaw, p.pitch, p.roll, *p.gaze, p.breath) for p in poses])
    for start in range(0, len(poses) - 25, 25):
        assert np.ptp(moving[start : start + 25, :3], axis=0).max() > 1e-4
    closed = np.array(blinks(poses)) > 0.9
    per_minute = int((np.diff(closed.astype(int)) == 1).sum()) / 2.5
    assert 8 <= per_minute <= 25
