"""A conversation with real models: heard, understood, answered, seen, interrupted."""

import numpy as np
import pytest

from visavis import events as ev
from visavis.events import EndReason
from visavis.media import OUTPUT_RATE

pytestmark = pytest.mark.models


def loudness(ticks) -> float:
    return float(np.abs(np.concatenate([tick.pcm for tick in ticks])).max())


async def test_a_spoken_question_gets_a_spoken_answer(call, host, say):
    call.start(host)
    await call.turns(1)
    call.room.say(say("What is the capital of Australia?"))
    await call.turns(2)
    greeting, answer = call.all(ev.TurnCompleted)[:2]
    assert "Ava" in greeting.agent_text
    assert "capital of australia" in answer.user_text.lower()
    assert answer.agent_text
    said = " ".join(word.text for word in call.all(ev.AgentSaid) if word.turn_id == answer.turn_id)
    assert said.split() == answer.agent_text.split()
    t = answer.timings
    assert t.pause_detected_ms < t.transcript_ms < t.llm_first_token_ms <= t.first_clause_ms
    assert t.first_clause_ms < t.tts_first_audio_ms < t.voice_to_voice_ms
    assert t.turn_decided_ms < t.voice_to_voice_ms
    assert loudness(call.room.heard) > 3000
    assert answer.frames_sent > 0
    packets = [packet for packet, _ in call.room.seen]
    assert packets[0].keyframe
    assert {(packet.width, packet.height) for packet in packets} == {(512, 512)}
    captured = {tick.capture_us for tick in call.room.heard}
    assert all(at in captured for _, at in call.room.seen)
    call.room.leave()
    assert await call.end() is EndReason.USER_LEFT


async def test_speaking_up_silences_the_agent(call, host, say):
    call.start(host)
    await call.turns(1)
    call.room.say(say("Please tell me a very long story about the sea."))
    spoken = lambda: len(call.all(ev.AgentSaid))  # noqa: E731
    before = spoken()
    await call.room.until(lambda: spoken() >= before + 3, 40)
    call.room.say(say("Stop, I would like to ask something else now."))
    await call.turns(2)
    story = call.all(ev.TurnCompleted)[1]
    assert story.interrupted
    heard = [word.text for word in call.all(ev.AgentSaid) if word.turn_id == story.turn_id]
    assert story.agent_text == " ".join(heard)
    decided = next(
        at
        for at, event in call.log
        if isinstance(event, ev.AgentStoppedSpeaking) and event.interrupted
    )
    await call.room.until(lambda: call.room.heard[-1].at_us > decided + 300_000)
    after = [tick for tick in call.room.heard if tick.at_us > decided][:10]
    assert not any(tick.pcm.any() for tick in after[3:])  # at most 60 ms of sound
    await call.turns(3)
    assert call.all(ev.TurnCompleted)[2].agent_text


async def test_a_dead_model_host_is_told_aloud(call, mortal_host, say):
    call.start(mortal_host)
    await call.turns(1)
    mortal_host.process.kill()
    mortal_host.process.wait(10)
    call.room.say(say("Are you still there?"))
    assert await call.end() is EndReason.ERROR
    (error,) = call.all(ev.SessionError)
    assert (error.code, error.fatal) == ("unreachable", True)
    failed = next(at for at, event in call.log if isinstance(event, ev.SessionError))
    apology = [tick for tick in call.room.heard if tick.at_us > failed]
    assert loudness(apology) > 3000
    assert len(apology) * 960 / OUTPUT_RATE > 2
    assert "error" in [message.type for message in call.room.told]
