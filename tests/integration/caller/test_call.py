"""The caller against a real room: what it reports and records is what was sent."""

import json
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from tests.integration.caller.answering_machine import REPLY, answering_machine
from visavis.caller.conversation import Line, talk
from visavis.caller.server_api import ServerRefused, ServerUnreachable
from visavis.caller.speech import Utterance
from visavis.media import OUTPUT_RATE, Pcm


def _buzz(seconds: float) -> Utterance:
    """Something voiced: a 150 Hz saw."""
    at = np.arange(round(seconds * OUTPUT_RATE))
    pcm = ((at * 150 / OUTPUT_RATE) % 1 * 12000 - 6000).astype(np.int16)
    return Utterance("text", "Hello.", pcm)


@pytest.fixture(autouse=True)
def no_greeting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine does not greet: do not wait for it."""
    monkeypatch.setattr("visavis.caller.call._GREETING_S", 0.1)


async def test_a_call_is_reported_and_recorded_as_it_was(tmp_path: Path) -> None:
    async with answering_machine() as url:
        report = await talk(url, "echo", [Line(_buzz(0.8)), Line(_buzz(0.5))], tmp_path)
    assert len(report.turns) == 2
    assert report.answered
    assert not report.errors
    assert report.end_reason == "user_left"
    for turn in report.turns:
        assert turn.reply == REPLY
        assert turn.transcript == "Hello."
        assert turn.server_ms["transcript_ms"] == 120.0
        # The machine waits 800 ms for the end of speech; the path adds its own. How much is for
        # the benchmarks to say, not for a test on a busy machine.
        assert turn.voice_to_voice_ms is not None
        assert 700 < turn.voice_to_voice_ms < 5000
        assert turn.video_fps > 5
    assert json.loads((tmp_path / "report.json").read_text())["turns"][1]["said"] == "Hello."
    captions = (tmp_path / "call.vtt").read_text()
    assert captions.startswith("WEBVTT")
    assert captions.count("<v You>Hello.") == 2
    assert captions.count(f"<v Beeper>{REPLY}") == 2
    _check_clip(tmp_path / "call.mp4")


def _check_clip(path: Path) -> None:
    """512x512 at a constant 25, and both flashes begin with their beeps."""
    luma, pcm = _decode(path)
    white = luma > 128
    flashes = [float(n + 1) / 25 for n in np.flatnonzero(white[1:] & ~white[:-1])]
    beeps = _tone_onsets(pcm)
    assert len(flashes) == len(beeps) == 2
    assert flashes == pytest.approx(beeps, abs=0.1)


def _decode(path: Path) -> tuple[np.ndarray, Pcm]:
    with av.open(str(path)) as clip:
        video, audio = clip.streams.video[0], clip.streams.audio[0]
        assert (video.width, video.height) == (512, 512)
        assert video.average_rate == 25
        assert audio.codec_context.name == "aac"
        luma, pcm = [], []
        for frame in clip.decode(video, audio):
            if isinstance(frame, av.VideoFrame):
                luma.append(frame.to_ndarray(format="gray").mean())
            else:
                pcm.append(frame.to_ndarray()[0])
    return np.array(luma), (np.concatenate(pcm) * 32767).astype(np.int16)


def _tone_onsets(pcm: Pcm) -> list[float]:
    """When the 1 kHz tone begins, in seconds: its power per 10 ms, after 200 ms without it."""
    size = OUTPUT_RATE // 100
    frames = pcm[: len(pcm) // size * size].reshape(-1, size) / 32768
    probe = np.exp(-2j * np.pi * 1000 / OUTPUT_RATE * np.arange(size))
    on = np.abs(frames @ probe) / size > 0.05
    heard = np.flatnonzero(on)
    first = np.diff(heard, prepend=heard[:1] - 21) > 20
    return [float(start) / 100 for start in heard[first]]


async def test_an_agent_that_does_not_answer_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visavis.caller.call._REPLY_S", 1.5)
    async with answering_machine("--silent") as url:
        report = await talk(url, "echo", [Line(_buzz(0.4))], tmp_path)
    assert not report.answered
    assert report.turns[0].voice_to_voice_ms is None


async def test_what_was_recorded_survives_a_lost_call(tmp_path: Path) -> None:
    async with answering_machine() as url:

        def hang_up(_: object) -> None:
            httpx.post(f"{url}/hang-up", timeout=10)

        report = await talk(
            url, "echo", [Line(_buzz(0.4)), Line(_buzz(0.4))], tmp_path, on_turn=hang_up
        )
    assert len(report.turns) == 1
    assert report.errors
    assert (tmp_path / "call.mp4").stat().st_size > 0


async def test_an_unknown_agent_is_refused_with_its_code(tmp_path: Path) -> None:
    async with answering_machine() as url:
        with pytest.raises(ServerRefused) as refused:
            await talk(url, "nobody", [Line(_buzz(0.1))], tmp_path)
    assert (refused.value.status, refused.value.code) == (404, "agent_unknown")


async def test_nobody_at_home(tmp_path: Path) -> None:
    with pytest.raises(ServerUnreachable):
        await talk("http://127.0.0.1:9", "echo", [Line(_buzz(0.1))], tmp_path)
