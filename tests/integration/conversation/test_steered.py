"""A conversation that is steered from outside, with real models."""

import asyncio
import base64

import numpy as np
import pytest

from visavis import events as ev
from visavis.conversation.commands import AddContext, Echo, Interrupt, Say, Update
from visavis.events import EndReason

pytestmark = pytest.mark.models


async def test_say_echo_context_interrupt_and_a_shorter_call(call, host, say):
    call.start(host)
    await call.turns(1)  # the greeting
    call.inbox.put(Say(text="The museum closes at five."))
    await call.turns(2)
    assert call.all(ev.TurnCompleted)[-1].agent_text == "The museum closes at five."

    voice = say("This is not my voice.")
    sound = base64.b64encode(voice.astype("<i2").tobytes()).decode()
    began = len(call.room.heard)
    call.inbox.put(Echo(audio=sound, sample_rate=16_000, text="This is not my voice."))
    await call.turns(3)
    played = np.concatenate([tick.pcm for tick in call.room.heard[began:]])
    assert (np.abs(played) > 500).sum() / 48_000 > 0.2  # seconds of it that are loud
    said = [event.text for event in call.all(ev.AgentSaid)]
    assert " ".join(said).endswith("This is not my voice.")

    call.inbox.put(AddContext(text="The visitor has a red umbrella."))
    call.inbox.put(Say(text="one two three four five six seven eight nine ten " * 3))
    await call.room.until(lambda: len(call.all(ev.AgentSaid)) > len(said) + 2, 20)
    call.inbox.put(Interrupt())
    await call.turns(4)
    assert call.all(ev.TurnCompleted)[-1].interrupted
    assert len(call.all(ev.AgentSaid)) < len(said) + 28

    await asyncio.sleep(0.5)  # nothing more is said
    heard = len(call.all(ev.AgentSaid))
    call.inbox.put(Update(max_duration_seconds=0))
    assert await call.end() is EndReason.MAX_DURATION
    assert len(call.all(ev.AgentSaid)) == heard
