"""The pause detector on written probabilities, and the whole listener on recorded speech."""

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from visavis.conversation.listener import (
    BARGE_IN_FRAMES,
    MAX_UTTERANCE_FRAMES,
    PAUSE_FRAMES,
    PREROLL_CHUNKS,
    SETTLED_FRAMES,
    START_FRAMES,
    Listener,
    PauseDetector,
    Signal,
    UtteranceAudio,
    UtteranceEnded,
    UtterancePaused,
    UtteranceResumed,
    UtteranceStarted,
)
from visavis.media import INPUT_TICK, AudioChunk
from visavis.models import catalogue
from visavis.models.end_of_turn import EndOfTurnModel, log_mel
from visavis.models.vad import VadModel

GIVE_UP_FRAMES = 38
"""1.2 s of silence."""
LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")


def signals(detector, *runs):
    """Push runs of (probability, frames); returns [(frame number, signal)]."""
    got, n = [], 0
    for probability, frames in runs:
        for _ in range(frames):
            n += 1
            if signal := detector.push(probability):
                got.append((n, signal))
    return got


def test_an_utterance_from_start_to_give_up():
    assert signals(PauseDetector(), (0.9, 20), (0.1, GIVE_UP_FRAMES)) == [
        (START_FRAMES, Signal.STARTED),
        (20 + PAUSE_FRAMES, Signal.PAUSED),
        (20 + SETTLED_FRAMES, Signal.SETTLED),
        (20 + GIVE_UP_FRAMES, Signal.TIMED_OUT),
    ]


def test_an_agent_may_have_more_or_less_patience():
    for silence_ms, frames in ((300, 10), (5000, 157)):
        got = signals(PauseDetector(silence_ms), (0.9, 20), (0.1, frames))
        assert got[-1] == (20 + frames, Signal.TIMED_OUT)


def test_a_click_is_no_speech():
    assert signals(PauseDetector(), (0.9, START_FRAMES - 1), (0.1, 1), (0.9, 2), (0.1, 50)) == []


def test_it_takes_longer_to_interrupt():
    detector = PauseDetector()
    detector.start_frames = BARGE_IN_FRAMES
    assert signals(detector, (0.9, 20)) == [(BARGE_IN_FRAMES, Signal.STARTED)]
    assert 200 <= BARGE_IN_FRAMES * 32 <= 240


def test_going_on_after_a_pause():
    got = signals(PauseDetector(), (0.9, 10), (0.1, 5), (0.9, 5), (0.1, 10))
    assert [signal for _, signal in got] == [
        Signal.STARTED,
        Signal.PAUSED,
        Signal.RESUMED,
        Signal.PAUSED,
        Signal.SETTLED,
    ]


def test_a_breath_is_no_going_on():
    got = signals(PauseDetector(), (0.9, 10), (0.1, 5), (0.9, 1), (0.1, 10))
    assert [signal for _, signal in got] == [Signal.STARTED, Signal.PAUSED, Signal.SETTLED]


def test_doubt_within_speech_is_no_pause():
    got = signals(PauseDetector(), (0.9, 10), (0.4, 30), (0.9, 10))
    assert got == [(START_FRAMES, Signal.STARTED)]


def test_an_endless_utterance_is_cut():
    got = signals(PauseDetector(), (0.9, START_FRAMES + MAX_UTTERANCE_FRAMES))
    assert got[-1] == (START_FRAMES + MAX_UTTERANCE_FRAMES, Signal.TIMED_OUT)
    assert MAX_UTTERANCE_FRAMES * 32 <= 30_000


class ScriptedVoice:
    """A VAD that reads the probability from the samples: loud is voice."""

    def probability(self, frame):
        return float(np.abs(frame).max() > 1000)


class ScriptedEnd:
    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def probability(self, pcm):
        self.asked.append(pcm)
        return self.answer


def sound(*runs):
    """Runs of (loud?, seconds) as 16 kHz samples."""
    parts = [np.full(round(s * 16_000), 5000 if loud else 0, np.int16) for loud, s in runs]
    return np.concatenate(parts)


async def listen(listener, pcm):
    async def chunks():
        for i in range(len(pcm) // INPUT_TICK):
            await asyncio.sleep(0.001)  # lets the end-of-turn thread answer
            yield AudioChunk(pcm[i * INPUT_TICK : (i + 1) * INPUT_TICK], i * 20_000)

    return [event async for event in listener.utterances(chunks())]


def kinds(events):
    return [type(event) for event in events if not isinstance(event, UtteranceAudio)]


async def test_a_complete_turn_ends_soon_after_the_pause():
    end = ScriptedEnd(0.9)
    events = await listen(Listener(ScriptedVoice(), end), sound((0, 1), (1, 1), (0, 1)))
    assert kinds(events) == [UtteranceStarted, UtterancePaused, UtteranceEnded]
    paused = next(event for event in events if isinstance(event, UtterancePaused))
    assert paused.last_voiced_us == pytest.approx(2_000_000, abs=40_000)
    assert len(end.asked) == 1
    assert np.abs(end.asked[0]).max() == 5000


async def test_an_incomplete_turn_waits_for_more():
    events = await listen(
        Listener(ScriptedVoice(), ScriptedEnd(0.1)),
        sound((0, 1), (1, 1), (0, 0.8), (1, 0.5), (0, 1.0)),
    )
    assert kinds(events) == [
        UtteranceStarted,
        UtterancePaused,
        UtteranceResumed,
        UtterancePaused,
    ]


async def test_an_incomplete_turn_ends_in_the_end():
    events = await listen(
        Listener(ScriptedVoice(), ScriptedEnd(0.1)), sound((1, 1), (0, 1.5), (1, 0.5))
    )
    assert kinds(events)[:3] == [UtteranceStarted, UtterancePaused, UtteranceEnded]
    assert kinds(events)[3] is UtteranceStarted


async def test_the_utterance_holds_all_its_sound_and_some_before():
    events = await listen(
        Listener(ScriptedVoice(), ScriptedEnd(0.9)), sound((0, 2), (1, 1), (0, 1))
    )
    started = events[0]
    times = [chunk.capture_us for chunk in started.audio]
    times += [event.chunk.capture_us for event in events if isinstance(event, UtteranceAudio)]
    assert len(started.audio) == PREROLL_CHUNKS
    assert np.diff(times).tolist() == [20_000] * (len(times) - 1)
    assert times[0] <= 2_000_000 - 200_000


@pytest.fixture(scope="module")
def models():
    vad = VadModel(catalogue.model_path("silero-vad") / "silero_vad.onnx")
    end = EndOfTurnModel(catalogue.model_path("smart-turn") / "smart-turn-v3.2-cpu.onnx")
    return vad, end


def recording(name):
    with wave.open(str(LIBRIVOX / f"sense_and_sensibility_01_austen_64kb-{name}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


@pytest.mark.models
@pytest.mark.skipif(not LIBRIVOX.exists(), reason="needs Debian's pocketsphinx-testdata")
class TestRecordedSpeech:
    async def test_a_sentence_is_one_turn(self, models):
        vad, end = models
        speech = recording("0890")
        silence = np.zeros(16_000, np.int16)
        events = await listen(
            Listener(vad.stream(), end), np.concatenate((silence, speech, silence, silence))
        )
        assert kinds(events)[0] is UtteranceStarted
        assert kinds(events)[-1] is UtteranceEnded
        assert kinds(events).count(UtteranceEnded) == 1
        spoken_until_us = (len(silence) + len(speech)) / 16_000 * 1e6
        assert events[-1].last_voiced_us == pytest.approx(spoken_until_us, abs=300_000)

    async def test_half_a_sentence_waits(self, models):
        _, end = models
        speech = recording("0890")
        assert end.probability(speech[: len(speech) // 2]) < 0.5 < end.probability(speech)

    async def test_noise_is_not_speech(self, models):
        vad, end = models
        rng = np.random.default_rng(1)
        noise = (rng.normal(0, 600, 3 * 16_000)).astype(np.int16)
        clicks = np.zeros(16_000, np.int16)
        clicks[::4000] = 20_000
        events = await listen(Listener(vad.stream(), end), np.concatenate((noise, clicks)))
        assert events == []


def test_features_of_silence_and_of_a_tone():
    silent = log_mel(np.zeros(16_000, np.float32))
    assert silent.shape == (80, 800)
    assert np.isfinite(silent).all()
    t = np.arange(128_000) / 16_000
    loudest = log_mel(np.sin(2 * np.pi * 1000 * t).astype(np.float32)).mean(axis=1).argmax()
    assert 25 <= loudest <= 28  # Slaney's 80 bands reach 1 kHz a third of the way up
