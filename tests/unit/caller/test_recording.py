from pathlib import Path

import av
import numpy as np
import pytest

from visavis.caller.recording import AudioTape, VideoTape, write_clip
from visavis.media import OUTPUT_RATE


def _picture(luma: int) -> av.VideoFrame:
    plane = np.full((96, 64), 128, np.uint8)
    plane[:64] = luma
    return av.VideoFrame.from_ndarray(plane, format="yuv420p")


def _tone(seconds: float) -> np.ndarray:
    at = np.arange(round(seconds * OUTPUT_RATE))
    return (np.sin(at * 2 * np.pi * 1000 / OUTPUT_RATE) * 9000).astype(np.int16)


def _read(path: Path) -> tuple[list[float], np.ndarray]:
    luma, pcm = [], []
    with av.open(str(path)) as clip:
        assert clip.streams.video[0].average_rate == 25
        for frame in clip.decode(video=0):
            luma.append(float(frame.to_ndarray(format="gray").mean()))
        clip.seek(0)
        for frame in clip.decode(audio=0):
            pcm.append(frame.to_ndarray()[0])
    return luma, np.concatenate(pcm)


def test_pictures_and_sound_stay_where_they_were(tmp_path: Path) -> None:
    """Irregular pictures become 25 a second; a flash and its beep begin within one frame."""
    video, sound = VideoTape(side=64), AudioTape()
    start_s = 1234.567
    for n in range(75):
        if n % 7 != 3 or n in (49, 50):
            video.add(_picture(235 if n >= 50 else 16), start_s + n / 25 + 0.003 * (n % 3))
    sound.add(_tone(0.5), start_s + 50 / 25)
    length_s = write_clip(tmp_path / "clip.mp4", video, [sound], start_s + 3.0)
    video.close()
    assert length_s == 3.0
    luma, pcm = _read(tmp_path / "clip.mp4")
    assert len(luma) == 75
    assert luma[49] < 60 < 180 < luma[50]
    onset_s = int(np.flatnonzero(np.abs(pcm) > 0.1)[0]) / OUTPUT_RATE
    # AAC smears an onset over its 21 ms frame.
    assert onset_s == pytest.approx(2.0, abs=0.025)


def test_both_voices_add_up_and_do_not_wrap() -> None:
    loud = np.full(100, 30_000, np.int16)
    mix = np.zeros(200, np.int32)
    for at_s in (10.0, 10.0 + 50 / OUTPUT_RATE):
        tape = AudioTape()
        tape.add(loud, at_s)
        tape.mix_into(mix, 10.0)
    assert mix[:50].tolist() == [30_000] * 50
    assert mix[50:100].tolist() == [60_000] * 50
    assert mix[150:].tolist() == [0] * 50


def test_sound_over_the_edges_is_cut() -> None:
    tape = AudioTape()
    tape.add(np.arange(100, dtype=np.int16), 10.0 - 40 / OUTPUT_RATE)
    tape.add(np.full(100, 7, np.int16), 10.0 + 150 / OUTPUT_RATE)
    tape.add(np.full(100, 9, np.int16), 11.0)
    mix = np.zeros(200, np.int32)
    tape.mix_into(mix, 10.0)
    assert mix[:60].tolist() == list(range(40, 100))
    assert mix[150:].tolist() == [7] * 50


def test_no_picture_no_clip(tmp_path: Path) -> None:
    video = VideoTape(side=64)
    with pytest.raises(ValueError, match="no picture"):
        write_clip(tmp_path / "clip.mp4", video, [], 1.0)
    video.close()


def test_a_broken_clock_does_not_fill_the_disk() -> None:
    video = VideoTape(side=64)
    video.add(_picture(16), 0.0)
    with pytest.raises(ValueError, match="into a"):
        video.add(_picture(16), 1e6)
    video.close()
