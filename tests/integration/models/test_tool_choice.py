"""The default language model calls tools, through our provider and our host."""

import json
from collections.abc import Iterator

import pytest

from visavis.conversation.dialogue import Dialogue
from visavis.conversation.exchange import CallRecord, Round
from visavis.models.catalogue import QWEN_05B
from visavis.providers import resolve
from visavis.providers.base import TextDelta, ToolCall, ToolSpec

from .conftest import RunningHost, await_health, start_host

pytestmark = [pytest.mark.models, pytest.mark.timeout(400)]

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "City name"}},
    "required": ["city"],
}
WEATHER = ToolSpec("get_weather", "Current weather in a city.", CITY)
BYE = ToolSpec(
    "end_call",
    'End the call. "Okay, goodbye then." "Please hang up now."',
    {"type": "object", "properties": {}},
)
SMALL_TALK = [
    ("What is your favourite animal?", "I love cats, they are calm and clever."),
    ("Why is that?", "They do what they want."),
]


@pytest.fixture(scope="module")
def thinker() -> Iterator[RunningHost]:
    host = start_host(QWEN_05B.name)
    try:
        assert await_health(host)["status"] == "ready"
        yield host
    finally:
        host.process.kill()
        host.process.wait(10)


@pytest.fixture
async def dialogue(thinker):
    llm = resolve.language_model(
        thinker.endpoint, temperature=0, max_tokens=60, session_id="session"
    )
    dialogue = Dialogue(llm, "You are Ava, a friendly assistant. Answer in one short sentence.")
    for said, answered in SMALL_TALK:  # a model that has begun in words tends to go on so
        dialogue.remember(said, answered)
    dialogue.offer([WEATHER, BYE])
    yield dialogue
    await resolve.aclose()


async def reply(dialogue, text, exchange=()):
    items = [item async for item in dialogue.reply(text, exchange)]
    calls = [item for item in items if isinstance(item, ToolCall)]
    return calls, "".join(item.text for item in items if isinstance(item, TextDelta))


async def test_it_calls_the_right_tool_or_none(dialogue):
    await dialogue.prefill()
    for said, tool, arguments in [
        ("What is the weather in Paris?", "get_weather", {"city": "Paris"}),
        ("Hello!", None, None),
        ("How hot is it in Madrid today?", "get_weather", {"city": "Madrid"}),
        ("Who wrote Hamlet?", None, None),
        ("Thank you, that was helpful.", None, None),
        ("Okay, bye then.", "end_call", {}),
    ]:
        calls, text = await reply(dialogue, said)
        assert [call.name for call in calls] == ([tool] if tool else []), said
        assert [json.loads(call.arguments) for call in calls] == ([arguments] if tool else [])
        assert bool(text) is (tool is None)


async def test_it_answers_with_what_the_tool_said(dialogue):
    said = "What is the weather in Paris?"
    (call,), _ = await reply(dialogue, said)
    result = (
        '<tool_result tool="get_weather">\n{"temperature_c": 17, "sky": "rain"}\n</tool_result>'
    )
    asked = Round("", [CallRecord(1, call, False, 0.0, result, True)])
    calls, text = await reply(dialogue, said, asked.messages())
    assert calls == []
    assert "rain" in text.lower()
    assert "tool_result" not in text
