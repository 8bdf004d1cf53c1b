"""Who may speak when: lines from outside, and agents that are not to be interrupted."""

import numpy as np
import pytest

from tests.unit.conversation.talking import CHUNK
from visavis import events as ev
from visavis.avatar.base import Phase
from visavis.conversation.floor import Line
from visavis.conversation.listener import UtteranceAudio, UtteranceStarted
from visavis.media import OUTPUT_RATE, SpeechChunk


@pytest.fixture
def firm(talk):
    """An agent that users may not interrupt."""
    talk.turns._interruptible = False
    return talk


def said(talk):
    return [turn.agent_text for turn in talk.all(ev.TurnCompleted)]


async def tell(talk, text, *, at_once=False, **kind):
    talk.turns.say(Line(text, **kind), at_once=at_once)
    await talk.settle()


async def test_a_line_is_said_as_it_is_and_remembered_as_the_agents_own(talk):
    await tell(talk, "We close in five minutes.")
    await talk.play(1.0)
    assert said(talk) == ["We close in five minutes."]
    assert talk.llm.asked == []
    await talk.say("When?")
    assert ("assistant", "We close in five minutes.") in talk.llm.asked[-1]


async def test_a_line_at_once_cuts_the_agent_short(talk):
    await talk.say("Tell me a story.")
    await talk.play(0.2)
    await tell(talk, "Fire alarm.", at_once=True)
    await talk.play(1.0)
    first, second = talk.all(ev.TurnCompleted)
    assert first.interrupted
    assert second.agent_text == "Fire alarm."


async def test_lines_that_can_wait_are_said_in_order_when_nobody_speaks(talk):
    begun = []
    await talk.say("Hello.")
    await talk.play(0.1)
    for number in "12":
        await tell(talk, f"Line {number}.", begun=lambda number=number: begun.append(number))
    assert begun == []
    await talk.play(0.25)
    await talk.start()  # the user is faster than the second line
    assert begun == ["1"]
    talk.stt.texts.append("Wait.")
    await talk.pause()
    await talk.end()
    await talk.play(2.0)
    assert begun == ["1", "2"]
    assert said(talk)[0] == "You said: Hello."
    assert said(talk)[-2:] == ["You said: Wait.", "Line 2."]


async def test_stopping_forgets_what_was_to_be_said(talk):
    begun = []
    await tell(talk, "One two three four five six.")
    await tell(talk, "Seven.", begun=lambda: begun.append(7))
    await talk.play(0.2)
    assert talk.turns.stop()
    await talk.play(1.0)
    assert begun == [7]
    assert len(said(talk)) == 1


async def test_an_echo_is_heard_and_forgotten(talk):
    await tell(talk, "Somebody else's words.", remembered=False)
    await talk.play(0.6)
    assert said(talk) == ["Somebody else's words."]
    await talk.say("What?")
    assert [role for role, _ in talk.llm.asked[-1]] == ["system", "user"]


async def test_a_foreign_voice_is_played_and_lip_synced(talk):
    sound = (8000 * np.sin(np.arange(8000) / 8)).astype(np.int16)
    talk.turns.say(Line(sound=SpeechChunk(sound, 16_000, "")), at_once=True)
    await talk.settle()
    await talk.play(0.3)
    assert not talk.silent
    (pushed,) = talk.stage.avatar.pushed
    assert pushed.chunk.sample_rate == OUTPUT_RATE
    assert pushed.chunk.duration_s == pytest.approx(0.5, abs=0.02)
    await talk.play(0.5)
    assert len(talk.all(ev.TurnCompleted)) == 1


async def test_interrupting_an_echo_drops_its_rest_but_not_an_announcement(talk):
    await tell(talk, "A long answer from a brain elsewhere.", remembered=False)
    await tell(talk, "Its second sentence.", remembered=False)
    await tell(talk, "We close at six.")
    await talk.play(0.2)
    await talk.say("Stop.")
    await talk.play(3.0)
    assert said(talk)[1:] == ["You said: Stop.", "We close at six."]


async def test_who_may_not_interrupt_is_answered_afterwards(firm):
    await firm.say("Tell me the rules.")
    await firm.play(0.2)
    await firm.say("But why?")
    await firm.play(0.1)
    assert len(firm.all(ev.UserStartedSpeaking)) == 1
    firm.stage.now += 60_000_000
    await firm.play(2.0)
    first, second = firm.all(ev.TurnCompleted)
    assert not first.interrupted
    assert (second.user_text, second.agent_text) == ("But why?", "You said: But why?")


async def test_who_is_still_speaking_when_the_agent_ends_is_heard_from_the_start(firm):
    await firm.say("Hello.")
    await firm.hear(UtteranceStarted((CHUNK,)), UtteranceAudio(CHUNK))
    await firm.play(1.0)
    assert len(firm.all(ev.TurnCompleted)) == 1
    assert len(firm.all(ev.UserStartedSpeaking)) == 2
    firm.stt.texts.append("And you?")
    await firm.pause()
    await firm.end()
    await firm.play(1.0)
    assert said(firm)[-1] == "You said: And you?"


async def test_typing_and_the_stop_button_interrupt_no_more_than_speech_does(firm):
    await firm.say("Tell me the rules.")
    await firm.play(0.2)
    assert not firm.turns.stop(by_user=True)
    firm.turns.type_text("Hurry up.")
    await firm.settle()
    await firm.play(2.0)
    assert [turn.interrupted for turn in firm.all(ev.TurnCompleted)] == [False, False]
    assert said(firm)[-1] == "You said: Hurry up."
    await firm.say("Go on.")
    await firm.play(0.1)
    assert firm.turns.stop()  # the application may
    assert firm.all(ev.TurnCompleted)[-1].interrupted


async def test_only_the_greeting_may_be_firm(talk):
    talk.turns.greet("This call is recorded.", interruptible=False)
    await talk.settle()
    await talk.play(0.1)
    await talk.say("Hello?")
    await talk.play(2.0)
    assert said(talk) == ["This call is recorded.", "You said: Hello?"]
    await talk.say("Tell me more.")
    await talk.play(0.1)
    await talk.start()
    assert talk.all(ev.TurnCompleted)[-1].interrupted


async def test_an_answer_in_writing_is_not_heard(talk):
    talk.turns.type_text("How much is it?", voiced=False)
    await talk.settle()
    await talk.play(0.5)
    assert talk.silent
    assert talk.tts.spoken == []
    (turn,) = talk.all(ev.TurnCompleted)
    assert (turn.agent_text, turn.interrupted) == ("You said: How much is it?", False)
    assert talk.all(ev.AgentStartedSpeaking) == []
    assert talk.stage.avatar.frames[-1].phase is Phase.IDLE
    await talk.say("Thanks.")
    assert ("assistant", "You said: How much is it?") in talk.llm.asked[-1]
