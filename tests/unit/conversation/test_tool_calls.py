"""Turns in which the model calls tools; the tools are the test's."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tests.unit.conversation.talking import CHUNK
from visavis import events as ev
from visavis.conversation import fillers, tool_calls
from visavis.conversation.answering import MAX_ROUNDS
from visavis.conversation.exchange import CANCELLED
from visavis.conversation.listener import UtteranceAudio, UtteranceResumed
from visavis.conversation.tool_calls import Tool
from visavis.providers.base import ToolCall, ToolSpec
from visavis.tools.outcome import ToolOutcome

WEATHER = ToolCall("x", "weather", '{"city":"Rome"}')


@dataclass
class FakeTool:
    """Answers ``text`` once ``gate`` is open."""

    name: str = "weather"
    text: str = "sunny"
    is_async: bool = False
    called: list = field(default_factory=list)
    cancelled: int = 0

    def __post_init__(self):
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, turn, call):
        self.called.append(call.arguments)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.text, Exception):
            raise self.text
        return ToolOutcome(True, self.text, None, 1.0)


def offer(talk, tool):
    spec = ToolSpec(tool.name, "", {"type": "object"})
    talk.tools.offer([Tool(spec, tool, f"id-{tool.name}", tool.is_async)])
    talk.dialogue.offer(talk.tools.specs)
    return tool


def scripted(*answers):
    """An ``Llm.answer`` that gives ``answers`` in turn, then goes on giving the last."""
    left = list(answers)
    return lambda text: left.pop(0) if len(left) > 1 else left[0]


def told(talk):
    """The last prompt, in short."""
    short = {"user": "u", "assistant": "a", "tool": "t"}
    return [
        (short[m.role], m.content or [call.name for call in m.tool_calls])
        for m in talk.llm.messages[-1][1:]
    ]


def whole(messages):
    """Whether every call has exactly one answer, right after it."""
    open_calls = []
    for message in messages:
        if message.role == "tool":
            open_calls.remove(message.tool_call_id)
        else:
            assert not open_calls
            open_calls = [call.id for call in message.tool_calls]
    return not open_calls


async def test_the_model_reads_what_the_tool_answered(talk):
    tool = offer(talk, FakeTool())
    talk.llm.answer = scripted(["Let me look.", WEATHER], "It is sunny.")
    await talk.say("What is the weather?")
    await talk.play(2.0)
    assert tool.called == ['{"city":"Rome"}']
    assert talk.tts.spoken == ["Let me look.", "It is sunny."]
    assert told(talk)[1:] == [("a", "Let me look."), ("t", "sunny")]
    (turn,) = talk.all(ev.TurnCompleted)
    assert turn.agent_text == "Let me look. It is sunny."
    (started,), (finished,) = talk.all(ev.ToolCallStarted), talk.all(ev.ToolCallFinished)
    assert (started.tool_id, started.name, started.turn_id) == ("id-weather", "weather", 1)
    assert (finished.call_id, finished.ok, finished.result) == (started.call_id, True, "sunny")
    assert talk.llm.offered == [["weather"], ["weather"]]
    await talk.say("Thanks.")
    assert told(talk) == [
        ("u", "What is the weather?"),
        ("a", ["weather"]),
        ("t", "sunny"),
        ("a", "Let me look. It is sunny."),
        ("u", "Thanks."),
    ]
    assert whole(talk.llm.messages[-1])


async def test_no_tool_runs_before_the_user_is_done(talk):
    tool = offer(talk, FakeTool())
    talk.llm.answer = scripted(["Sure.", WEATHER], ["Sure.", WEATHER], "Sunny.")
    talk.stt.texts += ["What is the", "What is the weather?"]
    await talk.start()
    await talk.pause()
    assert talk.tts.spoken == ["Sure."]
    await talk.hear(UtteranceResumed(), UtteranceAudio(CHUNK))
    assert tool.called == []
    await talk.pause()
    assert tool.called == []
    await talk.end()
    await talk.play(1.0)
    assert len(tool.called) == 1
    assert len(talk.all(ev.ToolCallStarted)) == 1
    assert talk.all(ev.TurnCompleted)[0].agent_text == "Sure. Sunny."


async def test_barge_in_cancels_what_the_turn_waits_for(talk):
    tool = offer(talk, FakeTool())
    tool.gate.clear()
    talk.llm.answer = scripted(["One moment please.", WEATHER], "Never mind then.")
    await talk.say("What is the weather?")
    await talk.play(0.2)
    await talk.say("Forget it.")
    (finished,) = talk.all(ev.ToolCallFinished)
    assert (finished.ok, finished.error_code) == (False, "cancelled")
    assert tool.cancelled == 1
    assert told(talk)[1:3] == [("a", ["weather"]), ("t", CANCELLED)]
    assert whole(talk.llm.messages[-1])
    await talk.play(1.0)
    assert talk.all(ev.TurnCompleted)[1].agent_text == "Never mind then."


async def test_a_tool_that_is_not_offered_is_never_called(talk):
    offer(talk, FakeTool())
    talk.llm.answer = scripted([ToolCall("x", "refund", '{"amount":1000}')], "I cannot do that.")
    await talk.say("Refund me.")
    await talk.play(1.0)
    (finished,) = talk.all(ev.ToolCallFinished)
    assert finished.error_code == "unknown_tool"
    assert talk.all(ev.ToolCallStarted)[0].tool_id == ""
    assert talk.all(ev.TurnCompleted)[0].agent_text == "I cannot do that."


async def test_a_tool_that_crashes_is_an_answer_too(talk):
    offer(talk, FakeTool(text=RuntimeError("secret detail")))
    talk.llm.answer = scripted([WEATHER], "That did not work.")
    await talk.say("Weather?")
    await talk.play(1.0)
    (finished,) = talk.all(ev.ToolCallFinished)
    assert finished.error_code == "tool_failed"
    assert "secret" not in finished.result
    assert talk.all(ev.TurnCompleted)[0].agent_text == "That did not work."


async def test_a_model_that_only_calls_is_stopped(talk):
    tool = offer(talk, FakeTool())
    talk.llm.answer = lambda text: [WEATHER]
    await talk.say("Weather?")
    await talk.play(0.2)
    assert len(talk.llm.asked) == MAX_ROUNDS
    assert len(tool.called) == MAX_ROUNDS - 1
    assert talk.llm.offered[-1] is None
    assert len(talk.all(ev.TurnCompleted)) == 1


async def test_arguments_are_cut_in_the_log_and_calls_in_number(talk):
    tool = offer(talk, FakeTool())
    long = ToolCall("x", "weather", '"' + "x" * 9000)
    talk.llm.answer = scripted([long] * 20, "Done.")
    await talk.say("Weather?")
    await talk.play(1.0)
    assert len(tool.called) == tool_calls.MAX_CALLS_PER_ROUND
    assert {len(one.arguments) for one in talk.all(ev.ToolCallStarted)} == {4000}
    assert len({one.call_id for one in talk.all(ev.ToolCallStarted)}) == len(tool.called)


async def test_silence_is_filled_once_and_once_more(talk, monkeypatch):
    monkeypatch.setattr(fillers, "FIRST_S", 0.02)
    monkeypatch.setattr(fillers, "AGAIN_S", 0.05)
    tool = offer(talk, FakeTool())
    tool.gate.clear()
    talk.llm.answer = scripted([WEATHER], "It is sunny.")
    await talk.say("What is the weather?")
    async with asyncio.timeout(5):
        while len(talk.tts.spoken) < 2:
            await talk.play(0.1)
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert len(talk.tts.spoken) == 2  # and no more
    tool.gate.set()
    await talk.settle()
    await talk.play(4.0)
    (turn,) = talk.all(ev.TurnCompleted)
    assert turn.agent_text == " ".join([*talk.tts.spoken[:2], "It is sunny."])
    await talk.say("Thanks.")
    assert told(talk)[-2] == ("a", "It is sunny.")  # nothing of the waiting is remembered


async def test_nothing_fills_the_silence_while_something_is_said(talk, monkeypatch):
    monkeypatch.setattr(fillers, "FIRST_S", 0.05)
    tool = offer(talk, FakeTool())
    tool.gate.clear()
    talk.llm.answer = scripted(["Let me look at that for you.", WEATHER], "It is sunny.")
    await talk.say("What is the weather?")
    await asyncio.sleep(0.2)
    assert talk.tts.spoken == ["Let me look at that for you."]


async def test_an_unknown_language_is_not_filled(talk):
    words = fillers.Fillers("sw")
    assert (words.first(), words.again()) == ("", "")
    words.speak("en-GB")
    said = [words.first() for _ in range(4)]
    assert all(said)
    assert all(one != other for one, other in pairwise(said))


@pytest.fixture
def report(talk):
    tool = offer(talk, FakeTool("report", "Ten sold.", is_async=True))
    tool.gate.clear()
    return tool


CALL_REPORT = ToolCall("x", "report", "{}")


async def test_a_late_result_is_told_when_nobody_speaks(talk, report):
    talk.llm.answer = scripted([CALL_REPORT], "I have asked for it.", "Ten were sold.")
    await talk.say("How many?")
    assert told(talk)[-1] == ("t", tool_calls.STARTED)
    await talk.play(1.0)
    assert talk.all(ev.ToolCallFinished) == []
    report.gate.set()
    await talk.settle()
    await talk.play(1.0)
    assert [t.agent_text for t in talk.all(ev.TurnCompleted)] == [
        "I have asked for it.",
        "Ten were sold.",
    ]
    assert talk.all(ev.TurnCompleted)[1].user_text == ""
    assert told(talk)[-2:] == [("a", ["report"]), ("t", "Ten sold.")]
    assert whole(talk.llm.messages[-1])


async def test_a_late_result_waits_for_who_speaks_and_is_in_the_next_reply(talk, report):
    talk.llm.answer = scripted([CALL_REPORT], "I have asked for it.", "Ten. And it is noon.")
    await talk.say("How many?")
    await talk.play(1.0)
    await talk.start()
    report.gate.set()
    await talk.settle()
    assert len(talk.llm.asked) == 2
    talk.stt.texts.append("What time is it?")
    await talk.pause()
    await talk.end()
    await talk.play(2.0)
    assert told(talk)[-3:] == [("a", ["report"]), ("t", "Ten sold."), ("u", "What time is it?")]
    assert len(talk.all(ev.TurnCompleted)) == 2
    assert whole(talk.llm.messages[-1])


async def test_a_late_result_survives_barge_in_and_noise(talk, report):
    talk.llm.answer = scripted([CALL_REPORT], "I have asked for it, please wait.", "Ten.")
    await talk.say("How many?")
    await talk.play(0.3)
    await talk.start()  # barges in, but says nothing
    report.gate.set()
    talk.stt.texts.append("")
    await talk.pause()
    await talk.end()
    await talk.settle()
    await talk.play(1.0)
    assert [t.agent_text for t in talk.all(ev.TurnCompleted)][-1] == "Ten."
    assert talk.all(ev.ToolCallFinished)[0].ok


async def test_only_so_many_run_in_the_background(talk, report):
    rounds = [[CALL_REPORT] * 5, [CALL_REPORT] * 5, "They run."]
    talk.llm.answer = scripted(*rounds)
    await talk.say("All of them!")
    await talk.settle()
    assert len(report.called) == tool_calls.MAX_IN_BACKGROUND
    refused = [one for one in talk.all(ev.ToolCallFinished) if not one.ok]
    assert [one.error_code for one in refused] == ["too_many_calls"] * 2


async def test_the_end_of_the_session_is_the_end_of_every_call(talk, report):
    talk.llm.answer = scripted([CALL_REPORT], "I have asked for it.")
    await talk.say("How many?")
    talk.tools.close()
    await talk.settle()
    assert [one.error_code for one in talk.all(ev.ToolCallFinished)] == ["cancelled"]
    assert report.cancelled == 1
