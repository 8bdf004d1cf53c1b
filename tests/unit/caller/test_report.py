"""Reports are read off what a witness saw; no network here."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from visavis.caller.call import Exchange
from visavis.caller.microphone import Spoken
from visavis.caller.peer import Received
from visavis.caller.report import CallReport, TurnReport, captions, turn_report
from visavis.caller.rtp_clock import CaptureClock
from visavis.caller.speech import Utterance
from visavis.caller.witness import Heard, Message, Witness
from visavis.rooms import rtvi

_NTP = 1 << 32


def _witness() -> Witness:
    sound, sight = CaptureClock(48_000), CaptureClock(90_000)
    sound.report(0, 1000 * _NTP)
    sight.report(0, 1000 * _NTP)
    peer: Any = SimpleNamespace(sound_clock=sound, sight_clock=sight)
    video: Any = SimpleNamespace(start_s=10.0)
    return Witness(peer, video)


def _exchange(replied_s: float | None) -> Exchange:
    utterance = Utterance("text", "Hello.", np.zeros(48_000, np.int16))
    return Exchange(utterance, Spoken(12.0, 13.0), replied_s, 16.0)


def test_a_turn_joins_what_was_measured_here_and_there() -> None:
    witness = _witness()
    for n in range(50, 150):  # 25 a second from second 12 on; sound 30 ms behind
        at_s = 10.0 + n * 0.04
        witness.pictures.append(Received(n * 3600, at_s, at_s))
        witness.sounds.append(Heard(Received(n * 1920, at_s + 0.03, at_s), audible=n > 90))
    server = [{"user_text": "Hello.", "agent_text": "Hi.", "timings": {"transcript_ms": 150.0}}]
    turn = turn_report(_exchange(13.9), witness, server)
    assert (turn.transcript, turn.reply) == ("Hello.", "Hi.")
    assert turn.voice_to_voice_ms == 900.0
    assert turn.server_ms == {"transcript_ms": 150.0}
    assert 24.5 <= turn.video_fps <= 25.5
    assert turn.longest_gap_ms == 40.0
    assert turn.av_skew is not None
    assert abs(turn.av_skew.median_ms - 30) < 0.1


def test_without_a_record_the_data_channel_tells() -> None:
    witness = _witness()
    transcript = rtvi.user_transcription("Hello", final=True, timestamp="", user_id="u")
    witness.messages = [
        Message(13.2, transcript),
        Message(13.9, rtvi.bot_output("Hi", spoken=True, aggregated_by="word")),
        Message(13.9, rtvi.bot_output("Hi there.", spoken=False, aggregated_by="sentence")),
        Message(14.1, rtvi.bot_output("there.", spoken=True, aggregated_by="word")),
    ]
    turn = turn_report(_exchange(None), witness, [])
    assert (turn.transcript, turn.reply) == ("Hello", "Hi there.")
    assert turn.voice_to_voice_ms is None
    assert turn.av_skew is None


def test_captions_count_from_the_first_picture() -> None:
    witness = _witness()
    witness.messages = [
        Message(13.8, rtvi.bot_started_speaking()),
        Message(13.9, rtvi.bot_output("Hi <you>.", spoken=True, aggregated_by="word")),
        Message(15.0, rtvi.bot_stopped_speaking()),
    ]
    text = captions(witness, [_exchange(13.9)], "Ava")
    assert "00:00:02.000 --> 00:00:03.000\n<v You>Hello." in text
    assert "00:00:03.800 --> 00:00:05.000\n<v Ava>Hi &lt;you&gt;." in text


def _turn(voice_to_voice_ms: float | None) -> TurnReport:
    return TurnReport("a", "text", 1, "a", "b", False, voice_to_voice_ms, {}, 25, 40, None)


def test_a_call_is_answered_when_every_turn_is() -> None:
    def report(*turns: TurnReport) -> CallReport:
        return CallReport("s", "Ava", "id", "link", 1.0, list(turns))

    assert report(_turn(900.0), _turn(1.0)).answered
    assert not report(_turn(900.0), _turn(None)).answered
    assert not report().answered
