import json

from visavis.models import tool_choice

WEATHER = {
    "name": "get_weather",
    "description": 'The weather in a city. "Do I need an umbrella?"',
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "City name", "pattern": "^[A-Z]"},
            "unit": {"enum": ["c", "f"]},
        },
        "required": ["city"],
    },
}
BYE = {"name": "end_call", "description": "End the call."}
FUNCTIONS = {"get_weather": WEATHER, "end_call": BYE}


def test_functions_are_read_from_a_request():
    tools = [{"type": "function", "function": WEATHER}, {"type": "function"}, {}]
    assert tool_choice.functions_of({"tools": tools}) == {"get_weather": WEATHER}
    assert tool_choice.functions_of({}) == {}


def test_only_names_on_offer_can_be_answered():
    request = tool_choice.which(FUNCTIONS, "Is it raining?")
    assert request["grammar"].splitlines()[-1] == 'start: "get_weather" | "end_call" | "none"'
    must = tool_choice.which(FUNCTIONS, "Is it raining?", must=True)
    assert must["grammar"].splitlines()[-1] == 'start: "get_weather" | "end_call"'
    assert request["messages"][-1] == {"role": "user", "content": "Is it raining?"}


def test_quoted_sentences_are_examples_and_no_part_of_the_description():
    messages = tool_choice.which(FUNCTIONS, "Hi")["messages"]
    assert "- get_weather: The weather in a city.\n" in messages[0]["content"]
    assert "umbrella" not in messages[0]["content"]
    pairs = {
        said["content"]: named["content"]
        for said, named in zip(messages[1:-1:2], messages[2:-1:2], strict=True)
    }
    assert pairs["Do I need an umbrella?"] == "get_weather"
    assert pairs["End the call."] == "end_call"
    assert pairs["Hello."] == "none"


def test_the_question_about_tools_is_the_same_for_every_user_text():
    one, other = (tool_choice.which(FUNCTIONS, text)["messages"][:-1] for text in ("Hi", "Ho"))
    assert one == other  # it stays in the cache


def test_arguments_are_shaped_by_what_a_grammar_can_hold():
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "Rain in Rome?"}]
    request = tool_choice.with_what(WEATHER, messages)
    schema = json.loads(request["grammar"].split("%json ")[1])
    assert schema["properties"] == {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}}
    assert schema["additionalProperties"] is False
    assert request["messages"][0] == messages[0]
    assert request["messages"][1]["content"].startswith("Rain in Rome?\n")
    assert "City name" in request["messages"][1]["content"]
    assert messages[1]["content"] == "Rain in Rome?"


def test_results_stand_with_what_the_user_said():
    def asked(call_id):
        function = {"name": "get_weather", "arguments": "{}"}
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": call_id, "type": "function", "function": function}],
        }

    wrapped = '<tool_result note="data">\n{"sky_now": "clear", "c": 21}\n</tool_result>'
    messages = [
        {"role": "user", "content": "Rain?"},
        asked("1"),
        {"role": "tool", "tool_call_id": "1", "content": wrapped},
        {"role": "assistant", "content": "No."},
        asked("2"),
        {"role": "tool", "tool_call_id": "2", "content": "Say so."},
    ]
    data = "Answer in words, with this data from get_weather:"
    assert tool_choice.in_words(messages) == [
        {"role": "user", "content": f"Rain?\n\n({data} sky now: clear, c: 21)"},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": "Say this in a friendly way: Say so."},
    ]
    assert tool_choice.in_words(messages[:1]) == messages[:1]
