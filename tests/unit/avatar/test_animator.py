from itertools import pairwise

import numpy as np

from visavis.avatar.animator import Animator, PhaseSpan, Speech, fade
from visavis.avatar.base import Phase
from visavis.avatar.coefficients import INDEX, Pose, vector
from visavis.avatar.rig import Limits
from visavis.avatar.visemes import Mouth

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


def test_listening_nods() -> None:
    nodding = [p.pitch for p in life(Phase.LISTENING, 14)]
    idle = [p.pitch for p in life(Phase.IDLE, 14)]
    speed = [max(abs(b - a) for a, b in pairwise(x)) for x in (nodding, idle)]
    assert speed[0] > 1.5 * speed[1]


def test_waiting_speech_draws_a_breath_and_looks_up() -> None:
    animator = Animator(Limits(), 4)
    span = [PhaseSpan(Phase.THINKING, 0)]
    waiting = animator.pose(3_000_000, span, Speech(SILENT.mouth, ready_s=0.4))
    assert waiting.breath == 1
    assert waiting.coefficients[INDEX["jawOpen"]] > 0.02
    assert abs(waiting.gaze[0]) < 0.35, "eyes come back before the first word"


def test_a_mouth_let_go_of_is_at_rest_in_time() -> None:
    mouth = Mouth(vector({"jawOpen": 0.5}), 0.8)
    assert fade(mouth, 0.0, 0.1).coefficients.max() == np.float32(0.5)
    assert 0 < fade(mouth, 0.05, 0.1).close < 0.8
    assert fade(mouth, 0.1, 0.1).coefficients.max() == 0
