"""A recording from its pieces to the MP4: what is seen and heard, when, and after a crash."""

import stat
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from visavis.avatar.encoder import Vp8Encoder
from visavis.media import I420, INPUT_TICK, OUTPUT_RATE, OUTPUT_TICK
from visavis.records import recorder_mp4
from visavis.records.recorder import MAX_WAITING, Recorder
from visavis.records.recorder_capture import MAGIC, Kind, NotACapture, Piece, read_pieces
from visavis.records.recorder_mp4 import NothingRecorded, write_mp4

SIDE = 64
START_US = 987_654_321
FRAME_US = 40_000
TICK_US = 20_000


def _pictures(lumas: list[int]) -> Iterator[tuple[Kind, bytes]]:
    encoder = Vp8Encoder(SIDE, SIDE)
    picture = I420.empty(SIDE, SIDE)
    picture.buffer[SIDE:] = 128
    for n, luma in enumerate(lumas):
        picture.y[:] = luma
        packet = encoder.encode(picture, n)
        yield (Kind.KEY_PICTURE if packet.keyframe else Kind.PICTURE), packet.data


def _tone(samples: int, rate: int, hertz: float) -> np.ndarray:
    return (np.sin(np.arange(samples) * 2 * np.pi * hertz / rate) * 9000).astype(np.int16)


def _sound(kind: Kind, at_us: int, ticks: int, hertz: float) -> list[Piece]:
    tick, rate = (OUTPUT_TICK, 48_000) if kind is Kind.AGENT_SOUND else (INPUT_TICK, 16_000)
    pcm = _tone(tick * ticks, rate, hertz)
    return [
        Piece(kind, at_us + n * TICK_US, pcm[n * tick : (n + 1) * tick].tobytes())
        for n in range(ticks)
    ]


def _capture(path: Path, pieces: list[Piece]) -> Path:
    pieces = sorted(pieces, key=lambda piece: piece.at_us)
    path.write_bytes(MAGIC + b"".join(piece.to_bytes() for piece in pieces))
    return path


def _film(lumas: list[int], times_us: list[int]) -> list[Piece]:
    encoded = _pictures(lumas)
    return [Piece(kind, at, data) for at, (kind, data) in zip(times_us, encoded, strict=True)]


def _watch(path: Path) -> tuple[list[tuple[float, float]], np.ndarray]:
    """(time, luma) of every picture, and the sound as floats."""
    with av.open(str(path)) as clip:
        assert "mp4" in clip.format.name
        seen = [
            (float(frame.time or 0.0), float(frame.to_ndarray(format="gray").mean()))
            for frame in clip.decode(video=0)
        ]
    return seen, _listen(path)


def _listen(path: Path) -> np.ndarray:
    with av.open(str(path)) as clip:
        assert clip.streams.audio[0].codec_context.name == "aac"
        sound = np.zeros(0, np.float32)
        for frame in clip.decode(audio=0):
            first = round(float(frame.time or 0.0) * OUTPUT_RATE)
            heard = frame.to_ndarray()[0]
            heard = heard[max(0, -first) :]
            first = max(0, first)
            sound = np.pad(sound, (0, max(0, first + len(heard) - len(sound))))
            sound[first : first + len(heard)] = heard
    return sound


def _loudness(sound: np.ndarray, from_s: float, to_s: float, hertz: float) -> float:
    piece = sound[round(from_s * OUTPUT_RATE) : round(to_s * OUTPUT_RATE)]
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(piece)) / OUTPUT_RATE)
    return float(abs((piece * wave).mean()) * 2)


def test_flash_and_click_of_the_agent_stay_together(tmp_path: Path) -> None:
    """Late pictures keep their true times; the flash is within 40 ms of its sound."""
    flash_at = START_US + 147 * FRAME_US  # a picture that is drawn, and on time
    jitter = [0, 3_000, 11_000]
    times = [START_US + n * FRAME_US + jitter[n % 3] * (n > 0) for n in range(200)]
    times = [at for n, at in enumerate(times) if n % 7 != 3]  # some are never drawn
    lumas = [235 if at >= flash_at else 16 for at in times]
    pieces = _film(lumas, times) + _sound(Kind.AGENT_SOUND, flash_at, 20, 1000)
    length_ms = write_mp4(_capture(tmp_path / "a.capture", pieces), tmp_path / "a.mp4")

    seen, heard = _watch(tmp_path / "a.mp4")
    expected = [(at - START_US) / 1e6 for at in times]
    assert [at for at, _ in seen] == pytest.approx(expected, abs=0.0011)
    flash_s = next(at for at, luma in seen if luma > 150)
    click_s = int(np.flatnonzero(np.abs(heard) > 0.1)[0]) / OUTPUT_RATE
    assert abs(click_s - flash_s) < 0.040
    assert click_s == pytest.approx(5.88, abs=0.025)
    assert length_ms == pytest.approx(8000, abs=60)


def test_both_sides_are_heard_and_gaps_are_silent(tmp_path: Path) -> None:
    pieces = _film([100] * 175, [START_US + n * FRAME_US for n in range(175)])
    pieces += _sound(Kind.AGENT_SOUND, START_US + 1_000_000, 100, 800)
    pieces += _sound(Kind.USER_SOUND, START_US + 2_000_000, 200, 300)
    write_mp4(_capture(tmp_path / "a.capture", pieces), tmp_path / "a.mp4")
    _, heard = _watch(tmp_path / "a.mp4")
    full = 9000 / 32768
    for from_s, agent, user in ((0.2, 0, 0), (1.2, 1, 0), (2.2, 1, 1), (3.5, 0, 1), (6.3, 0, 0)):
        here = from_s, from_s + 0.5
        assert _loudness(heard, *here, 800) == pytest.approx(agent * full, abs=0.02), from_s
        assert _loudness(heard, *here, 300) == pytest.approx(user * full, abs=0.02), from_s
    assert np.abs(heard[: round(0.9 * OUTPUT_RATE)]).max() < 0.01
    onset = int(np.flatnonzero(np.abs(heard) > 0.05)[0]) / OUTPUT_RATE
    assert onset == pytest.approx(1.0, abs=0.025)


def test_a_capture_that_a_crash_cut_off_still_plays(tmp_path: Path) -> None:
    capture = _capture(
        tmp_path / "a.capture",
        _film([100] * 100, [START_US + n * FRAME_US for n in range(100)])
        + _sound(Kind.USER_SOUND, START_US, 200, 300),
    )
    whole = capture.read_bytes()
    capture.write_bytes(whole[: round(len(whole) * 0.6)])
    assert 1000 < write_mp4(capture, tmp_path / "a.mp4") < 3900
    seen, heard = _watch(tmp_path / "a.mp4")
    assert len(seen) > 25
    assert len(heard) > OUTPUT_RATE


def test_pictures_that_refer_to_a_lost_one_are_left_out(tmp_path: Path) -> None:
    film = _film([40] * 20, [START_US + n * FRAME_US for n in range(20)])
    again = _film([200] * 20, [START_US + (40 + n) * FRAME_US for n in range(20)])
    lost = _film([120] * 21, [START_US + (19 + n) * FRAME_US for n in range(21)])[1:]
    damaged = [Piece(piece.kind, piece.at_us, b"\xff" * 9) for piece in lost]
    write_mp4(_capture(tmp_path / "a.capture", film + damaged + again), tmp_path / "a.mp4")
    seen, _ = _watch(tmp_path / "a.mp4")
    assert {round(luma / 40) for _, luma in seen} <= {1, 5}
    assert seen[-1][1] > 190


def test_sound_alone_is_a_recording_too(tmp_path: Path) -> None:
    capture = _capture(tmp_path / "a.capture", _sound(Kind.USER_SOUND, START_US, 100, 300))
    assert write_mp4(capture, tmp_path / "a.mp4") == 2000
    assert _loudness(_listen(tmp_path / "a.mp4"), 0.5, 1.5, 300) > 0.2


def test_without_x264_the_next_encoder_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = set(av.codecs_available) - {"libx264", "libopenh264"}
    monkeypatch.setattr(recorder_mp4.av, "codecs_available", known)
    film = _film([40] * 10 + [200] * 10, [START_US + n * FRAME_US for n in range(20)])
    write_mp4(_capture(tmp_path / "a.capture", film), tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as clip:
        assert clip.streams.video[0].codec_context.name == "mpeg4"
        assert len(list(clip.decode(video=0))) == 20


def test_nothing_recorded_and_other_files_are_told_apart(tmp_path: Path) -> None:
    empty = _capture(tmp_path / "a.capture", [])
    with pytest.raises(NothingRecorded):
        write_mp4(empty, tmp_path / "a.mp4")
    empty.write_bytes(b"RIFF....")
    with pytest.raises(NotACapture):
        write_mp4(empty, tmp_path / "a.mp4")


def test_the_recorder_writes_what_it_is_given_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "recordings" / "a.capture"
    recorder = Recorder(path)
    recorder.start()
    given = [Piece(Kind.USER_SOUND, START_US + n * TICK_US, bytes([n]) * 8) for n in range(50)]
    for piece in given:
        assert recorder.write(piece.kind, piece.at_us, piece.data)
    captured = recorder.close()
    assert list(read_pieces(path)) == given
    assert (captured.duration_ms, captured.dropped) == (980, 0)
    assert captured.size_bytes == path.stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_disk_that_does_not_follow_costs_pieces_but_no_time(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.capture")  # not started: nobody reads the queue
    taken = [recorder.write(Kind.USER_SOUND, START_US, b"") for _ in range(MAX_WAITING + 30)]
    assert taken.count(False) == 30


def test_a_disk_that_fails_ends_the_recording_only(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_bytes(b"")
    recorder = Recorder(tmp_path / "in the way" / "a.capture")
    recorder.start()
    for _ in range(3 * MAX_WAITING):
        recorder.write(Kind.USER_SOUND, START_US, b"")
    assert recorder.close().size_bytes == 0
    recorder.discard()
