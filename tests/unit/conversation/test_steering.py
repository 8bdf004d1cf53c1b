"""Whole sessions that are steered from outside, with the real clock; models are scripted."""

import base64

import numpy as np
import pytest

from tests.unit.conversation.test_session import call, models, types
from visavis import events as ev
from visavis.agents.schema import Greeting
from visavis.conversation import session
from visavis.conversation.commands import (
    MAX_WAITING,
    AddContext,
    Echo,
    Inbox,
    InboxFull,
    Interrupt,
    Respond,
    Say,
    Update,
)
from visavis.conversation.session import converse
from visavis.events import EndReason
from visavis.providers import resolve
from visavis.rooms.rtvi import RtviMessage

__all__ = ["call", "models"]


@pytest.fixture
async def steered(call, monkeypatch):
    """A call that obeys ``inbox``; ``options`` are the agent's."""
    call.inbox, call.options = Inbox(), {"greeting": Greeting(who_first="user")}

    def converse_with_inbox(spec, room, emit, assets):
        agent = spec.agent.model_copy(update=call.options)
        return converse(spec.model_copy(update={"agent": agent}), room, emit, assets, call.inbox)

    monkeypatch.setattr("tests.unit.conversation.test_session.converse", converse_with_inbox)
    monkeypatch.setattr(session, "GREET_AFTER_S", 0.01)
    return call


def said(call):
    return [turn.agent_text for turn in call.all(ev.TurnCompleted)]


async def test_say_echo_and_respond(steered, models):
    for command in (
        Say(text="Welcome."),
        Echo(text="Not my words.", interrupt=False),
        Echo(
            audio=base64.b64encode((np.ones(4800, "<i2") * 9000).tobytes()).decode(),
            interrupt=False,
        ),
        Say(text="Good day.", interrupt=False),
    ):
        steered.inbox.put(command)
    steered.start()
    await steered.turns(4)
    assert said(steered) == ["Welcome.", "Not my words.", "", "Good day."]
    assert models.llm.asked == []
    steered.inbox.put(Respond(text="Who are you?"))
    await steered.turns(5)
    assert said(steered)[-1] == "You said: Who are you?"
    assert models.llm.asked == [
        [("system", "S"), ("assistant", "Welcome. Good day."), ("user", "Who are you?")]
    ]


async def test_what_the_model_is_told_and_how_it_is_changed(steered, models, monkeypatch):
    steered.inbox.put(AddContext(text="The shop closes at six."))
    steered.inbox.put(AddContext(text="I am from Oslo.", role="user"))
    steered.inbox.put(Respond(text="When?"))
    steered.start()
    await steered.turns(1)
    assert models.llm.asked[-1] == [
        ("system", "S\n\nThe shop closes at six."),
        ("user", "I am from Oslo. When?"),
    ]
    made, voices = [], []
    tts = models.tts.speak
    models.tts.speak = lambda text, *, voice: voices.append(voice) or tts(text, voice=voice)
    monkeypatch.setattr(
        resolve, "language_model", lambda endpoint, **kind: made.append(kind) or models.llm
    )
    steered.inbox.put(Update(system_prompt="T", temperature=1.5, voice_id="other"))
    steered.inbox.put(Respond(text="And now?"))
    await steered.turns(2)
    assert models.llm.asked[-1][0] == ("system", "T\n\nThe shop closes at six.")
    assert (made[0]["temperature"], made[0]["max_tokens"]) == (1.5, 120)
    assert voices[-1] == "other"


async def test_an_interrupt_makes_room_in_a_full_inbox(steered):
    steered.start()
    steered.inbox.put(Say(text="word " * 50))
    await steered.room.until(lambda: len(steered.all(ev.AgentSaid)) >= 3)
    for _ in range(MAX_WAITING):
        steered.inbox.put(Say(text="More.", interrupt=False))
    with pytest.raises(InboxFull):
        steered.inbox.put(Say(text="Too much.", interrupt=False))
    steered.inbox.put(Interrupt())
    await steered.turns(1)
    assert steered.all(ev.TurnCompleted)[0].interrupted
    steered.inbox.put(Say(text="Fine.", interrupt=False))
    await steered.turns(2)
    assert said(steered)[-1] == "Fine."


async def test_a_call_is_made_shorter_while_it_runs(steered):
    steered.start()
    steered.inbox.put(Update(max_duration_seconds=0))
    assert await steered.end() is EndReason.MAX_DURATION


async def test_a_silent_call_ends(steered):
    steered.options["idle_timeout_seconds"] = 0.3
    steered.start()
    steered.inbox.put(Say(text="one two three four five six seven"))
    assert await steered.end() is EndReason.IDLE_TIMEOUT
    assert said(steered) == ["one two three four five six seven"]  # 0.7 s, and no idleness


async def test_the_agent_waits_for_the_user_but_not_for_ever(steered):
    steered.options["greeting"] = Greeting(who_first="user").model_copy(
        update={"wait_seconds": 0.05}
    )
    steered.start()
    await steered.turns(1)
    assert said(steered) == ["Hi there."]


async def test_who_spoke_first_is_not_greeted_afterwards(steered):
    steered.options["greeting"] = Greeting(who_first="user").model_copy(
        update={"wait_seconds": 0.3}
    )
    steered.options["idle_timeout_seconds"] = 1.0
    steered.type("Hello!")
    steered.start()
    assert await steered.end() is EndReason.IDLE_TIMEOUT
    assert said(steered) == ["You said: Hello!"]


async def test_a_client_may_ask_for_an_answer_in_writing(steered):
    steered.start()
    quiet = {"content": "How much?", "options": {"audio_response": False}}
    steered.room.tell(RtviMessage("send-text", quiet))
    await steered.turns(1)
    assert "bot-started-speaking" not in types(steered.room)
    written = [m.data for m in steered.room.told if m.type == "bot-output"]
    assert [piece["text"] for piece in written] == ["You said:", "How much?"]
    assert not any(piece["spoken"] for piece in written)


async def test_old_clients_append_to_the_context_but_not_as_the_system(steered, models):
    steered.start()
    for role, number in (("user", "1"), ("system", "2")):
        data = {"role": role, "content": f"I am the {role}.", "run_immediately": False}
        steered.room.tell(RtviMessage("append-to-context", data, number))
    await steered.room.until(lambda: "error-response" in types(steered.room))
    assert [m.id for m in steered.room.told if m.type == "error-response"] == ["2"]
    steered.type("Who am I?")
    await steered.turns(1)
    assert models.llm.asked[-1] == [("system", "S"), ("user", "I am the user. Who am I?")]
