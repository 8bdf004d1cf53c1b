import contextlib
import json
import random
import string

import pytest

from visavis.rooms import rtvi
from visavis.rooms.rtvi import RtviError, RtviMessage


@pytest.mark.parametrize(
    "message",
    [
        rtvi.bot_ready({"agent": "demo"}, in_reply_to="a1"),
        rtvi.user_transcription("hello", final=True, timestamp="2026-11-23T00:00:00Z", user_id="u"),
        rtvi.bot_output("hi there", spoken=True, aggregated_by="word", segment_id=3),
        rtvi.error("the voice is gone", fatal=True),
        rtvi.server_message({"ünï": ["☃", None, 1.5]}),
    ],
)
def test_what_is_encoded_is_decoded(message):
    text = rtvi.encode(message)
    decoded = rtvi.decode(text)
    assert (decoded.type, decoded.data) == (message.type, message.data)
    assert decoded.id == (message.id or decoded.id) != ""
    assert json.loads(text)["label"] == "rtvi-ai"


def test_the_constructors_have_the_shapes_that_clients_read():
    said = rtvi.bot_output("a word", spoken=True, aggregated_by="word").data
    assert (said["text"], said["spoken"], said["spoken_status"]) == ("a word", True, "completed")
    assert rtvi.error("broken", fatal=True).data == {
        "error": "broken",
        "message": "broken",
        "fatal": True,
    }
    assert rtvi.bot_ready({}).data["version"] == "2.2.0"
    asked = rtvi.ClientMessage("7", "status", None)
    assert rtvi.server_response(asked, {"ok": True}) == RtviMessage(
        "server-response", {"t": "status", "d": {"ok": True}}, "7"
    )
    asked = rtvi.function_call("7", "show_map", {"city": "Rome"})
    assert asked.type == rtvi.function_call_in_progress("7").type
    assert asked.data == {
        "tool_call_id": "7",
        "function_name": "show_map",
        "arguments": {"city": "Rome"},
    }
    assert "function_name" not in rtvi.function_call_in_progress("7").data  # asks for nothing
    assert json.loads(rtvi.peer_left())["message"]["type"] == "peerLeft"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "malformed_message"),
        ("ping: 1", "malformed_message"),
        ("null", "malformed_message"),
        ("[]", "malformed_message"),
        ("{}", "malformed_message"),
        ('{"label":"rtvi-ai"}', "malformed_message"),
        ('{"label":"rtvi-ai","type":""}', "malformed_message"),
        ('{"label":"rtvi-ai","type":7}', "malformed_message"),
        ('{"label":"rtvi-ai","type":"x","data":[]}', "malformed_message"),
        ('{"label":"rtvi-ai","type":"x","id":{}}', "malformed_message"),
        ('{"label":"rtvi-ai","type":"x","data":{"n":NaN}}', "malformed_message"),
        ('{"label":"rtvi-ai","type":"x","data":{"n":%s}}' % ("9" * 5000), "malformed_message"),
        ('{"label":"rtvi-ai","type":"x","data":{"s":"\\ud800"}}', "malformed_message"),
        ("[" * 60_000, "malformed_message"),
        ('{"a":' * 10_000, "malformed_message"),
        ("x" * (rtvi.MAX_MESSAGE_BYTES + 1), "message_too_large"),
        ("ü" * (rtvi.MAX_MESSAGE_BYTES // 2 + 1), "message_too_large"),
    ],
)
def test_what_is_no_message_is_a_typed_error(text, code):
    with pytest.raises(RtviError) as refused:
        rtvi.decode(text)
    assert refused.value.code == code


def test_damaged_messages_never_raise_anything_else():
    chance = random.Random(7)
    good = rtvi.encode(RtviMessage("send-text", {"content": "hi", "options": {"x": [1, {}]}}))
    for _ in range(3000):
        text = list(good)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(text))
            text[at : at + chance.randint(0, 3)] = chance.choice(string.printable)
        with contextlib.suppress(RtviError):
            rtvi.request(rtvi.decode("".join(text)))


def test_requests_are_read():
    def ask(kind, data=None):
        return rtvi.request(RtviMessage(kind, data or {}, "9"))

    ready = ask("client-ready", {"version": "2.1.0", "about": {"library": "js"}})
    assert ready == rtvi.ClientReady("2.1.0", "js")
    assert ask("client-ready", {"about": "nonsense"}) == rtvi.ClientReady("", "")
    assert ask("send-text", {"content": "hi"}) == rtvi.SendText("hi")
    quiet = {"content": "hi", "options": {"run_immediately": False, "audio_response": False}}
    assert ask("send-text", quiet) == rtvi.SendText("hi", False, False)
    assert ask("interrupt") == ask("client-message", {"t": "interrupt"}) == rtvi.Interrupt()
    assert ask("disconnect-bot") == rtvi.DisconnectBot()
    assert ask("client-message", {"t": "vote", "d": 3}) == rtvi.ClientMessage("9", "vote", 3)
    answer = {"function_name": "f", "tool_call_id": "7", "arguments": {}, "result": [1]}
    assert ask("llm-function-call-result", answer) == rtvi.FunctionCallResult("7", [1])
    assert ask("dtmf", {"button": "1"}) == rtvi.Unsupported("dtmf")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("send-text", {}),
        ("send-text", {"content": " "}),
        ("send-text", {"content": ["hi"]}),
        ("send-text", {"content": "hi", "options": "loud"}),
        ("client-message", {"t": 7}),
        ("llm-function-call-result", {"tool_call_id": 7, "result": 1}),
        ("llm-function-call-result", {"tool_call_id": "7"}),
    ],
)
def test_bad_requests_are_typed_errors(kind, data):
    with pytest.raises(RtviError):
        rtvi.request(RtviMessage(kind, data))
