import asyncio

import pytest

from tests.unit.conversation.talking import CHUNK
from visavis import events as ev
from visavis.avatar.base import Phase
from visavis.conversation.listener import (
    UtteranceAudio,
    UtterancePaused,
    UtteranceResumed,
)
from visavis.media import now_us
from visavis.providers.base import ProviderError


async def test_a_turn_from_first_sound_to_last_word(talk):
    await talk.say("Hello there.")
    await talk.play(1.0)
    kinds = [type(event) for event in talk.log if not isinstance(event, ev.AgentSaid)]
    assert kinds == [
        ev.UserStartedSpeaking,
        ev.UserTranscript,
        ev.UserStoppedSpeaking,
        ev.UserTranscript,
        ev.AgentStartedSpeaking,
        ev.AgentStoppedSpeaking,
        ev.TurnCompleted,
    ]
    assert [t.final for t in talk.all(ev.UserTranscript)] == [False, True]
    assert [said.text for said in talk.all(ev.AgentSaid)] == ["You", "said:", "Hello", "there."]
    (turn,) = talk.all(ev.TurnCompleted)
    assert (turn.user_text, turn.agent_text) == ("Hello there.", "You said: Hello there.")
    assert not turn.interrupted
    assert (turn.frames_sent, turn.frames_dropped) == (10, 0)  # 0.4 s of speech


async def test_timings_grow_along_the_way(talk):
    await talk.say("Hello there.")
    talk.stage.now = now_us()
    await talk.play(1.0)
    t = talk.all(ev.TurnCompleted)[0].timings
    assert t.pause_detected_ms == pytest.approx(130, abs=20)
    assert 130 <= t.transcript_ms <= t.llm_first_token_ms <= t.first_clause_ms
    assert t.first_clause_ms <= t.tts_first_audio_ms <= t.voice_to_voice_ms
    assert t.turn_decided_ms >= t.pause_detected_ms


async def test_the_answer_is_prepared_but_not_heard_before_the_user_is_done(talk):
    talk.stt.texts.append("Hello there.")
    await talk.start()
    await talk.pause()
    assert talk.tts.spoken == ["You said:"]
    await talk.play(0.5)
    assert talk.silent
    await talk.end()
    await talk.play(0.1)
    assert not talk.silent


async def test_a_speculation_is_dropped_unseen_when_the_user_goes_on(talk):
    talk.stt.texts += ["What is", "What is the time?"]
    await talk.start()
    await talk.pause()
    assert talk.llm.asked[0][-1] == ("user", "What is")
    await talk.hear(UtteranceResumed(), UtteranceAudio(CHUNK))
    assert talk.llm.open == 0
    await talk.pause()
    await talk.end()
    await talk.play(2.0)
    (turn,) = talk.all(ev.TurnCompleted)
    assert turn.agent_text == "You said: What is the time?"
    assert talk.llm.asked[1] == [("system", "S"), ("user", "What is the time?")]
    assert [t.text for t in talk.all(ev.UserTranscript) if t.final] == ["What is the time?"]


async def test_a_transcript_that_comes_after_the_decision_is_answered(talk):
    slow = asyncio.Event()
    talk.stt.texts += [slow, "Better late."]
    await talk.start()
    await talk.pause()
    await talk.end()
    assert talk.llm.asked == []
    slow.set()
    await talk.settle()
    await talk.play(1.0)
    assert talk.all(ev.TurnCompleted)[0].user_text == "Better late."


async def test_going_on_before_the_transcript_makes_one_turn(talk):
    slow = asyncio.Event()
    talk.stt.texts += [slow, "I would", "I would like tea."]
    await talk.start()
    await talk.pause()
    await talk.end()
    await talk.start()
    slow.set()
    await talk.pause()
    await talk.end()
    await talk.play(2.0)
    assert len(talk.all(ev.UserStartedSpeaking)) == 1
    assert [t.user_text for t in talk.all(ev.TurnCompleted)] == ["I would like tea."]
    assert len(talk.llm.asked) == 1


async def test_noise_makes_no_turn(talk):
    await talk.say("")
    await talk.play(0.2)
    assert talk.all(ev.TurnCompleted) == []
    assert talk.all(ev.UserTranscript) == [ev.UserTranscript(1, "", final=True)]
    assert talk.llm.asked == []
    await talk.say("But this is speech.")
    await talk.play(1.0)
    assert len(talk.all(ev.TurnCompleted)) == 1


async def test_barge_in_cuts_sound_and_memory_at_the_word_that_was_heard(talk):
    talk.llm.answer = lambda text: "One two three four five six seven eight nine ten."
    await talk.say("Count, please.")
    await talk.play(0.36)
    assert talk.ear.guarded
    before = len(talk.stage.room.heard)
    await talk.start()
    await talk.play(0.5)
    silent = [not tick.pcm.any() for tick in talk.stage.room.heard[before:]]
    assert silent[0] is False
    assert all(silent[1:])
    (turn,) = talk.all(ev.TurnCompleted)
    assert turn.interrupted
    assert turn.agent_text == "One two three four"[: len(turn.agent_text)]
    assert 2 <= len(turn.agent_text.split()) <= 4
    assert talk.all(ev.AgentStoppedSpeaking) == [ev.AgentStoppedSpeaking(1, True)]
    assert not talk.ear.guarded
    said_after = talk.log[talk.log.index(turn) :]
    assert not any(isinstance(event, ev.AgentSaid) for event in said_after)
    talk.stt.texts.append("And now?")
    await talk.pause()
    await talk.end()
    assert talk.llm.asked[-1] == [
        ("system", "S"),
        ("user", "Count, please."),
        ("assistant", turn.agent_text),
        ("user", "And now?"),
    ]
    assert talk.llm.prefilled[0] == [*talk.llm.asked[-1][:3], ("user", "")]


async def test_speech_before_anything_was_heard_joins_both_utterances(talk):
    await talk.say("What is")
    await talk.say("the time?")
    assert talk.llm.asked[-1] == [("system", "S"), ("user", "What is the time?")]
    await talk.play(2.0)
    assert [t.agent_text for t in talk.all(ev.TurnCompleted)] == [
        "",
        "You said: What is the time?",
    ]


async def test_typed_text_is_answered_at_once(talk):
    await talk.say("Tell me a story.")
    await talk.play(0.3)
    talk.turns.type_text("Stop. What is two and two?")
    await talk.settle()
    await talk.play(2.0)
    first, second = talk.all(ev.TurnCompleted)
    assert first.interrupted
    assert second.user_text == "Stop. What is two and two?"
    assert second.timings.pause_detected_ms is None
    assert second.timings.voice_to_voice_ms is not None


async def test_the_greeting_can_be_interrupted(talk):
    talk.turns.greet("Hello, my name is Ava. What can I do for you today?")
    await talk.settle()
    await talk.play(0.3)
    talk.turns.interrupt()
    await talk.play(0.5)
    (turn,) = talk.all(ev.TurnCompleted)
    assert (turn.user_text, turn.interrupted) == ("", True)
    assert turn.timings == ev.TurnTimings()
    assert talk.llm.prefilled[-1][1] == ("assistant", turn.agent_text)
    assert not talk.stage.room.heard[-1].pcm.any()


async def test_no_greeting_over_a_user_who_speaks_first(talk):
    await talk.start()
    talk.turns.greet("Hello!")
    await talk.settle()
    assert talk.tts.spoken == []


async def test_an_empty_reply_ends_the_turn(talk):
    talk.llm.answer = lambda text: ""
    await talk.say("Hm.")
    await talk.play(0.2)
    assert [t.agent_text for t in talk.all(ev.TurnCompleted)] == [""]
    assert talk.all(ev.AgentStartedSpeaking) == []


@pytest.mark.parametrize("part", ["stt", "llm", "tts"])
async def test_a_failing_model_is_reported_once(talk, part):
    error = ProviderError("down", "Gone.", retryable=False)
    if part == "stt":
        await talk.say(error)
    else:
        if part == "llm":
            talk.llm.answer = lambda text: error
        else:
            talk.tts.failure = error
        await talk.say("Hello there.")
    assert talk.failures == [error]


async def test_a_failure_of_a_speculation_that_is_dropped_does_not_matter(talk):
    talk.llm.answer = lambda text: ProviderError("down", "Gone.", retryable=False)
    talk.stt.texts += ["What", "What now?"]
    await talk.start()
    await talk.pause()
    await talk.hear(UtteranceResumed())
    assert talk.failures == []
    talk.llm.answer = lambda text: "Fine, thank you."
    await talk.pause()
    await talk.end()
    await talk.play(1.0)
    assert talk.failures == []
    assert len(talk.all(ev.TurnCompleted)) == 1


async def test_last_words_are_said_over_everything(talk):
    await talk.say("Hello there.")
    await talk.play(0.2)
    chunk = talk.stage.avatar.pushed[0].chunk
    last = asyncio.create_task(talk.turns.say_last([chunk]))
    await talk.settle()
    await talk.say("More?")
    await talk.play(1.0)
    assert last.done()
    assert len(talk.all(ev.UserStartedSpeaking)) == 1


async def test_the_face_learns_of_pauses_within_what_the_user_says(talk):
    def quiet_since():
        talk.stage.tick(2)
        return talk.stage.avatar.frames[-1].user_quiet_since_us

    talk.stt.texts += ["I would", "I would like", "No,"]
    await talk.start()
    assert quiet_since() is None
    await talk.hear(UtterancePaused(5_000_000, 5_130_000))
    assert quiet_since() == 5_000_000
    await talk.hear(UtteranceResumed(), UtteranceAudio(CHUNK))
    assert quiet_since() is None
    await talk.hear(UtterancePaused(7_000_000, 7_130_000))
    assert quiet_since() == 7_000_000
    await talk.end()
    assert quiet_since() is None
    await talk.start()
    await talk.pause()
    assert quiet_since() is not None
    talk.turns.stop()
    assert quiet_since() is None


async def test_phases_follow_the_conversation(talk):
    def phase():
        talk.stage.tick(2)
        return talk.stage.avatar.frames[-1].phase

    assert phase() is Phase.IDLE
    slow = asyncio.Event()
    talk.stt.texts += [slow, "Hello there."]
    await talk.start()
    assert phase() is Phase.LISTENING
    await talk.pause()
    await talk.end()
    assert phase() is Phase.THINKING
    slow.set()
    await talk.settle()
    assert phase() is Phase.SPEAKING
    talk.turns.interrupt()
    assert phase() is Phase.IDLE


async def test_a_cut_agent_looks_interrupted_until_the_user_pauses(talk):
    await talk.say("Hello there.")
    await talk.play(0.2)
    await talk.start()
    talk.stage.tick(2)
    assert talk.stage.avatar.frames[-1].phase is Phase.INTERRUPTED
    talk.stt.texts.append("Wait.")
    await talk.pause()
    talk.stage.tick(2)
    assert talk.stage.avatar.frames[-1].phase is Phase.LISTENING


async def test_emotion_tags_are_felt_and_neither_said_nor_shown_nor_remembered(talk):
    talk.llm.answer = lambda text: "[happy] One two [sad:0.5] three. Four [LAUGHS] five. [smile]"
    await talk.say("Count, please.")
    await talk.play(2.0)
    assert talk.tts.spoken == ["One two three.", "Four five."]
    heard = " ".join(said.text for said in talk.all(ev.AgentSaid))
    assert heard == "One two three. Four five."
    (turn,) = talk.all(ev.TurnCompleted)
    assert turn.agent_text == "One two three. Four five."
    assert talk.dialogue.messages()[-1].content == "One two three. Four five."
    felt = [
        (felt.emotion, felt.intensity, pytest.approx(speech.start_s + felt.at_s, abs=0.05))
        for speech in talk.stage.avatar.pushed
        for felt in speech.chunk.emotions
    ]
    assert felt == [
        ("happy", 0.7, 0.0),
        ("sad", 0.5, 0.2),
        ("happy", 1.0, 0.4),
        ("happy", 0.5, 0.25),
    ]


async def test_a_greeting_may_have_feelings_too(talk):
    talk.turns.greet("[happy] Welcome!")
    await talk.settle()
    assert talk.tts.spoken == ["Welcome!"]
    assert [felt.emotion for felt in talk.stage.avatar.pushed[0].chunk.emotions] == ["happy"]


async def test_a_typed_question_is_answered_in_writing_without_tags(talk):
    talk.llm.answer = lambda text: "[happy] Hi there. [smile]"
    talk.turns.type_text("Hello", voiced=False)
    await talk.settle()
    assert talk.all(ev.TurnCompleted)[0].agent_text == "Hi there."


async def test_a_barge_in_takes_the_feelings_to_come_with_it(talk):
    talk.llm.answer = lambda text: "One two three four five six. [sad] Seven eight nine ten."
    await talk.say("Count, please.")
    await talk.play(0.3)
    await talk.start()
    await talk.settle()
    assert talk.stage.avatar.cleared[-1] == 1
    pushed = len(talk.stage.avatar.pushed)
    await talk.play(1.0)
    assert len(talk.stage.avatar.pushed) == pushed
