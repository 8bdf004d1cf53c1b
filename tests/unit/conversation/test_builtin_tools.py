import json
from dataclasses import dataclass, field

import pytest

from visavis.conversation.builtin_tools import EMOTIONS, LANGUAGES, builtin_tools
from visavis.conversation.turn import Turn
from visavis.providers.base import ToolCall


@dataclass
class Hands:
    languages: tuple[str, ...] | None = None
    spoken: list = field(default_factory=list)
    felt: list = field(default_factory=list)

    async def call(self, name, arguments, turn=None):
        tools = builtin_tools(
            [name],
            languages=self.languages,
            speak_language=self.spoken.append,
            feel=lambda emotion, intensity: self.felt.append((emotion, intensity)),
        )
        call = ToolCall("1", name, json.dumps(arguments))
        return await tools[0].call(turn or Turn(1, 0, 0), call)


async def test_ending_the_call_waits_for_the_goodbye():
    turn = Turn(1, 0, 0)
    outcome = await Hands().call("end_call", {}, turn)
    assert outcome.ok
    assert turn.hangs_up


@pytest.mark.parametrize("said", ["de", "German", " german ", "de-AT", "DE"])
async def test_a_language_is_known_by_code_and_name(said):
    hands = Hands()
    outcome = await hands.call("switch_language", {"language": said})
    assert outcome.ok
    assert "German" in outcome.text
    assert hands.spoken == ["de"]


@pytest.mark.parametrize(("said", "languages"), [("de", ("en",)), ("Klingon", None), ("", None)])
async def test_a_language_that_is_not_here_is_said_so(said, languages):
    hands = Hands(languages)
    outcome = await hands.call("switch_language", {"language": said})
    assert (outcome.ok, outcome.error_code) == (False, "language_unavailable")
    assert "English" in outcome.text
    assert hands.spoken == []


async def test_an_emotion_is_passed_to_the_face():
    hands = Hands()
    assert (await hands.call("set_emotion", {"emotion": "happy", "intensity": 0.4})).ok
    assert (await hands.call("set_emotion", {"emotion": "sad"})).ok
    assert hands.felt[0] == ("happy", 0.4)
    assert hands.felt[1][0] == "sad"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("set_emotion", {"emotion": "furious"}),
        ("set_emotion", {"emotion": "happy", "intensity": 7}),
        ("set_emotion", {}),
        ("switch_language", {}),
        ("switch_language", {"language": ["de"]}),
    ],
)
async def test_arguments_are_checked(name, arguments):
    hands = Hands()
    outcome = await hands.call(name, arguments)
    assert (outcome.ok, outcome.error_code) == (False, "invalid_arguments")
    assert hands.felt == hands.spoken == []


def test_a_tool_that_is_named_twice_is_offered_once():
    tools = builtin_tools(
        ["end_call", "end_call"],
        languages=None,
        speak_language=lambda _: None,
        feel=lambda *_: None,
    )
    assert [tool.spec.name for tool in tools] == ["end_call"]
    assert "en" in LANGUAGES
    assert "neutral" in EMOTIONS
