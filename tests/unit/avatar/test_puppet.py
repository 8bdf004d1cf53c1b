import resource
from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import pytest

from visavis.avatar import warming
from visavis.avatar.base import Avatar, Phase, Playhead
from visavis.avatar.coefficients import Pose, vector
from visavis.avatar.puppet import Puppet, warm_up
from visavis.avatar.rig import Rig
from visavis.avatar.speech import SpeechTrack
from visavis.avatar.topology import EYES, LOWER_LIP, UPPER_LIP
from visavis.media import I420, OUTPUT_RATE, PhonemeTime, SpeechChunk, TurnSpeech

Frame = Callable[..., Playhead]
SIZE = (256, 256)


def speech(symbols: str, *, turn: int = 1, start_s: float = 0.0, each_s: float = 0.1) -> TurnSpeech:
    pcm = np.zeros(int(len(symbols) * each_s * OUTPUT_RATE), np.int16)
    times = tuple(PhonemeTime(s, i * each_s, (i + 1) * each_s) for i, s in enumerate(symbols))
    return TurnSpeech(turn, start_s, SpeechChunk(pcm, OUTPUT_RATE, symbols, phonemes=times))


def gap(puppet: Puppet, pose: Pose) -> float:
    """How far the lips are apart in the mesh as drawn, as a share of the width of the mouth."""
    mesh = puppet.draw(pose, I420.empty(*puppet.size))
    apart = mesh.still[LOWER_LIP, 1] - mesh.still[UPPER_LIP, 1]
    return float(apart.max() / np.ptp(mesh.still[UPPER_LIP, 0]))


@pytest.fixture(params=["ava", "bare"])
def puppet(request: pytest.FixtureRequest) -> Puppet:
    face: Avatar = Puppet(request.getfixturevalue(request.param), size=SIZE, seed=3)
    assert isinstance(face, Puppet)
    return face


def test_lips_meet_on_p_b_m_and_part_on_open_vowels(puppet: Puppet, at: Frame) -> None:
    puppet.push_speech(speech("ɑpɑbɑmɑ"))
    gaps = [gap(puppet, puppet.pose(at(1 + t, position=t))) for t in np.arange(0, 0.7, 0.04)]
    closed = [i for i, g in enumerate(gaps) if g < 0.005]
    for consonant in (0.15, 0.35, 0.55):
        assert min(abs(i * 0.04 - consonant) for i in closed) < 0.04, gaps
    assert max(gaps) > 0.2


def test_a_face_at_rest_is_the_picture_it_was_made_from(ava: Rig) -> None:
    size = ava.manifest.size, ava.manifest.size
    puppet, out = Puppet(ava, size=size), I420.empty(*size)
    puppet.draw(Pose(vector({})), out)
    drawn = cv2.cvtColor(out.buffer, cv2.COLOR_YUV2RGB_I420)
    alpha = ava.texture[..., 3:] / 255
    assert ava.background is not None
    expected = ava.texture[..., :3] * alpha + ava.background * (1 - alpha)
    assert cv2.PSNR(drawn, expected.astype(np.uint8)) > 33
    for corner in (np.s_[-40:, :120], np.s_[-40:, -120:]):
        assert cv2.PSNR(drawn[corner], expected[corner].astype(np.uint8)) > 30


def test_a_resting_mouth_is_closed(puppet: Puppet, at: Frame) -> None:
    assert gap(puppet, puppet.pose(at(3, Phase.LISTENING))) < 0.01


def test_a_blink_really_closes_the_eye(puppet: Puppet) -> None:
    for weight, least, most in ((0.0, 0.15, 1), (1.0, -0.001, 0.01)):
        mesh = puppet.draw(Pose(vector({"eyeBlink": weight})), I420.empty(*SIZE))
        for upper, lower, _ in EYES:
            wide = np.ptp(mesh.still[upper, 0])
            apart = (mesh.still[lower, 1] - mesh.still[upper, 1]).max() / wide
            assert least <= apart <= most


def test_clear_closes_the_mouth_within_a_tenth_of_a_second(puppet: Puppet, at: Frame) -> None:
    puppet.push_speech(speech("ɑɑɑɑɑɑ"))
    talking = puppet.pose(at(1.2, position=0.2))
    puppet.clear(1)
    after = [
        gap(puppet, puppet.pose(at(1.2 + t, Phase.INTERRUPTED, since=1.2)))
        for t in (0.04, 0.08, 0.12)
    ]
    assert gap(puppet, talking) > 0.2 > after[1] > 0
    assert after[2] < 0.01


def test_clear_forgets_the_turn_and_older_ones_only(bare: Rig, at: Frame) -> None:
    puppet = Puppet(bare, size=SIZE)
    for turn in (1, 2, 3):
        puppet.push_speech(speech("ɑɑɑɑ", turn=turn))
    puppet.clear(2)
    assert gap(puppet, puppet.pose(at(5, turn=2, position=0.2))) < 0.01
    assert gap(puppet, puppet.pose(at(9, turn=3, position=0.2))) > 0.2


def test_speech_without_phonemes_moves_the_mouth_with_its_sound(bare: Rig, at: Frame) -> None:
    puppet = Puppet(bare, size=SIZE)
    t = np.arange(OUTPUT_RATE) / OUTPUT_RATE
    voice = np.sin(2 * np.pi * 200 * t) + np.sin(2 * np.pi * 700 * t)
    loud = (8000 * voice * (t > 0.5)).astype(np.int16)
    puppet.push_speech(TurnSpeech(1, 0.0, SpeechChunk(loud, OUTPUT_RATE, "")))
    assert gap(puppet, puppet.pose(at(1, position=0.3))) < 0.02
    assert gap(puppet, puppet.pose(at(2, position=0.8))) > 0.1


def test_the_same_inputs_draw_the_same_frame_though_frames_were_dropped(
    ava: Rig, at: Frame
) -> None:
    moments = [at(1 + t, position=t) for t in np.arange(0, 1, 0.04)]
    pictures: list[np.ndarray] = []
    for step in (1, 4):
        puppet = Puppet(ava, size=SIZE, seed=9)
        puppet.push_speech(speech("hɛləaʊɑɹju"))
        out = I420.empty(*SIZE)
        for moment in moments[::step]:
            puppet.frame(moment, out)
        puppet.frame(at(2.04), out)
        pictures.append(out.buffer.copy())
    assert not np.array_equal(pictures[0], np.zeros_like(pictures[0]))
    np.testing.assert_array_equal(*pictures)


def test_every_frame_of_a_living_face_differs_but_not_by_much(ava: Rig, at: Frame) -> None:
    puppet = Puppet(ava, size=SIZE, seed=9)
    frames: list[np.ndarray] = []
    for i in range(50):
        out = I420.empty(*SIZE)
        puppet.frame(at(i * 0.04, Phase.LISTENING), out)
        frames.append(out.y)
    for one, other in pairwise(frames):
        assert not np.array_equal(one, other)
        assert cv2.PSNR(one, other) > 25


def test_two_puppets_of_one_rig_do_not_disturb_each_other(ava: Rig, at: Frame) -> None:
    alone, one, other = (Puppet(ava, size=SIZE, seed=s) for s in (1, 1, 2))
    expected, got, noise = (I420.empty(*SIZE) for _ in range(3))
    other.push_speech(speech("ɑɑɑɑɑ"))
    for t in np.arange(0, 0.4, 0.04):
        alone.frame(at(t), expected)
        one.frame(at(t), got)
        other.frame(at(t, position=t), noise)
        np.testing.assert_array_equal(expected.buffer, got.buffer)
    assert not np.array_equal(noise.buffer, got.buffer)


def test_memory_does_not_grow_over_two_thousand_frames(bare: Rig, at: Frame) -> None:
    puppet, out = Puppet(bare, size=(128, 128)), I420.empty(128, 128)

    def run(first: int, last: int) -> int:
        for i in range(first, last):
            if i % 25 == 0:
                puppet.push_speech(speech("hɛlɔpɑpə", start_s=i / 25))
            puppet.frame(at(i / 25, position=i / 25), out)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = run(0, 200)
    assert run(200, 2200) - before < 3000, "KiB"


def test_speech_left_behind_is_forgotten() -> None:
    track = SpeechTrack()
    silence = np.zeros(OUTPUT_RATE, np.int16)
    for second in range(0, 600, 2):
        track.push(speech("hɛlɔpɑpə", start_s=second))
        track.push(TurnSpeech(1, second + 1, SpeechChunk(silence, OUTPUT_RATE, "")))
        track.forget(float(second))
        assert len(track) < 30


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (128, 128)])
def test_any_size_shows_the_face(bare: Rig, at: Frame, size: tuple[int, int]) -> None:
    puppet, out = Puppet(bare, size=size), I420.empty(*size)
    puppet.frame(at(1), out)
    assert puppet.size == size
    assert out.y.std() > 20


def test_a_size_that_does_not_fit_the_cells_is_refused(bare: Rig) -> None:
    with pytest.raises(ValueError, match="multiples of 4"):
        Puppet(bare, size=(510, 512))


def test_warming_up_compiles_all_that_drawing_needs(ava: Rig) -> None:
    warm_up()
    puppet = Puppet(ava, size=SIZE)
    for pose in ({"jawOpen": 0.5, "eyeBlink": 0.3}, {"mouthSmile": 0.8, "browInnerUp": 1.0}):
        puppet.draw(Pose(vector(pose), close=0.2, yaw=0.1, gaze=(0.5, 0.5)), I420.empty(*SIZE))
    assert [kernel for kernel, _ in warming.KERNELS if len(kernel.signatures) != 1] == []
