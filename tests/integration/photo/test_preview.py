import io

import av
import cv2
import numpy as np
import pytest

from visavis.avatar import rig
from visavis.avatar.photo import preview, preview_clip
from visavis.media import SpeechChunk


@pytest.fixture(scope="module")
def ava():
    return rig.load(rig.find("ava"))


def test_the_preview_is_a_picture(ava):
    picture = cv2.imdecode(np.frombuffer(preview(ava), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (512, 512, 3)
    assert picture.std() > 20


def test_the_clip_speaks_and_lasts_as_long_as_the_sentence(ava):
    time = np.arange(36_000) / 24_000
    pcm = (8000 * np.sin(2 * np.pi * 180 * time)).astype(np.int16)
    clip = preview_clip(ava, SpeechChunk(pcm, 24_000, "aah"), seconds=1)
    with av.open(io.BytesIO(clip)) as film:
        assert {stream.codec_context.name for stream in film.streams} == {"vp8", "opus"}
    with av.open(io.BytesIO(clip)) as film:
        frames = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
    assert len(frames) == pytest.approx(25 * 2.4, abs=2)
    moved = np.abs(frames[5].astype(int) - frames[30]).mean()
    assert moved > 0.1
    with av.open(io.BytesIO(clip)) as film:
        sound = np.concatenate([part.to_ndarray().ravel() for part in film.decode(audio=0)])
    quiet, loud = np.abs(sound[: 48 * 500]).max(), np.abs(sound[48 * 800 : 48 * 1800]).max()
    assert quiet < 0.05 * loud


def test_a_clip_without_a_voice_has_no_sound(ava):
    with av.open(io.BytesIO(preview_clip(ava, None, seconds=0.4))) as film:
        assert [stream.type for stream in film.streams] == ["video"]
