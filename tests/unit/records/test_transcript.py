from visavis.events import (
    AgentSaid,
    AgentStartedSpeaking,
    AgentStoppedSpeaking,
    EventRecord,
    SessionError,
    SessionState,
    StateEntered,
    TurnCompleted,
    TurnTimings,
    UserStartedSpeaking,
    UserStoppedSpeaking,
    UserTranscript,
)
from visavis.records.figures import figures
from visavis.records.transcript import Utterance, Word, began_ms, utterances
from visavis.records.webvtt import CUE_CHARS, webvtt

NAMES = {"user": "You", "agent": "Ava"}


def log(*events) -> list[EventRecord]:
    return [
        EventRecord(session_id="s", seq=seq, at_ms=at_ms, event=event)
        for seq, (at_ms, event) in enumerate(events)
    ]


TALK = log(
    (0, StateEntered(SessionState.REQUEST)),
    (1000, StateEntered(SessionState.CONVERSATION)),
    (1100, AgentStartedSpeaking(1)),
    (1100, AgentSaid(1, "Hi")),
    (1400, AgentSaid(1, "there.")),
    (1900, AgentStoppedSpeaking(1, interrupted=False)),
    (2000, UserStartedSpeaking(2)),
    (2500, UserTranscript(2, "what is", final=False)),
    (3000, UserTranscript(2, "What is visavis?", final=True)),
    (3000, UserStoppedSpeaking(2)),
    (3900, AgentStartedSpeaking(2)),
    (3900, AgentSaid(2, "Well,")),
    (4200, AgentStoppedSpeaking(2, interrupted=True)),
    (
        4210,
        TurnCompleted(
            2, "What is visavis?", "Well,", True, TurnTimings(voice_to_voice_ms=900.0), 8, 2
        ),
    ),
    (4300, UserTranscript(3, "typed words", final=True)),
    (4400, AgentStartedSpeaking(3)),
    (4400, AgentSaid(3, "Cut")),
    (5000, SessionError("worker", "gone", fatal=True)),
)


def test_both_sides_in_the_order_they_spoke():
    said = utterances(TALK)
    assert [(u.speaker, u.text, u.start_ms, u.end_ms) for u in said] == [
        ("agent", "Hi there.", 1100, 1900),
        ("user", "What is visavis?", 2000, 3000),
        ("agent", "Well,", 3900, 4200),
        ("user", "typed words", 4300, 5800),
        ("agent", "Cut", 4400, 5000),  # a crash: it spoke until the log ends
    ]
    assert [u.interrupted for u in said] == [False, False, True, False, False]
    assert began_ms(TALK) == 1000
    assert began_ms(TALK[:1]) is None


def test_silence_and_noise_leave_no_lines():
    assert utterances(log((0, UserStartedSpeaking(1)), (5, UserStoppedSpeaking(1)))) == []
    misheard = UserTranscript(1, "Uh", final=False), UserTranscript(1, "", final=True)
    assert utterances(log(*((n, event) for n, event in enumerate(misheard)))) == []


def test_figures_sum_up_the_log():
    summary = figures(TALK)
    assert summary.duration_ms == 4000
    assert (summary.turns, summary.interruptions, summary.errors) == (1, 1, 1)
    assert (summary.user_talk_ms, summary.agent_talk_ms) == (2500, 1700)
    assert summary.voice_to_voice_median_ms == 900.0
    assert summary.llm_first_token_median_ms is None
    assert (summary.frames_sent, summary.frames_dropped) == (8, 2)
    assert figures(TALK[:1]).duration_ms == 0


def test_captions_count_from_the_start_of_the_conversation():
    text = webvtt(utterances(TALK), 1000, NAMES)
    assert text.startswith("WEBVTT\n\n00:00:00.100 --> 00:00:00.900\n<v Ava>Hi there.\n\n")
    assert "00:00:01.000 --> 00:00:02.000\n<v You>What is visavis?" in text


def test_captions_cannot_be_broken_by_what_is_said():
    evil = Utterance("user", 1, 3_600_000, 3_601_000, "a --> b\n\n<script>&</script>")
    text = webvtt([evil], 0, {"user": "Eve <b>\n\n", "agent": "Ava"})
    assert text == (
        "WEBVTT\n\n01:00:00.000 --> 01:00:01.000\n"
        "<v Eve &lt;b&gt;>a --&gt; b &lt;script&gt;&amp;&lt;/script&gt;\n"
    )


def test_long_speech_is_cut_evenly_where_words_were_heard():
    words = [Word(1000 + 100 * n, "word") for n in range(40)]
    speech = Utterance("agent", 1, 1000, 6000, " ".join(w.text for w in words), words=words)
    cues = webvtt([speech], 0, NAMES).strip().split("\n\n")[1:]
    texts = [cue.split("<v Ava>")[1] for cue in cues]
    assert " ".join(texts) == speech.text
    assert all(len(text) <= CUE_CHARS for text in texts)
    assert max(map(len, texts)) - min(map(len, texts)) <= 10
    assert cues[1].startswith("00:00:02.")
    assert cues[-1].split("\n")[0].endswith("00:00:06.000")
