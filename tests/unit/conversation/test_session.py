"""Whole sessions with the real clock and its threads; only the models are scripted."""

import asyncio
import gc
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from visavis import events as ev
from visavis.agents.schema import AgentConfiguration, LlmConfig
from visavis.avatar.backends.base import BackendError
from visavis.conversation import requests, session
from visavis.conversation.assets import Assets
from visavis.conversation.session import converse
from visavis.conversation.spec import SessionSpec
from visavis.events import EndReason, SessionState
from visavis.media import now_us
from visavis.providers import resolve
from visavis.providers.base import Endpoint, ProviderError
from visavis.rooms.base import KeyFrameRequest, RateUpdate, RoomError
from visavis.rooms.rtvi import RtviMessage
from visavis.testing import MemoryRoom

DOWN = ProviderError("unreachable", "The language model cannot be reached.", retryable=True)
ENDPOINT = Endpoint(base_url="http://127.0.0.1:1/v1", api_key="k", model="m")


class Deaf:
    """A VAD and an end-of-turn model for users who only type."""

    def stream(self):
        return self

    def probability(self, pcm):
        return 0.0


@dataclass
class Call:
    """One user in one session."""

    assets: Assets
    room: MemoryRoom = field(default_factory=MemoryRoom)
    log: list = field(default_factory=list)
    greeting: str = "Hi there."
    max_duration_s: float = 60.0

    def start(self):
        llm = LlmConfig(system_prompt="S", first_message=self.greeting)
        agent = AgentConfiguration(llm=llm).model_copy(
            update={"max_duration_seconds": self.max_duration_s}
        )
        spec = SessionSpec(
            session_id="s",
            agent_id="a",
            agent_name="Ava",
            agent=agent,
            stt=ENDPOINT,
            llm=ENDPOINT,
            tts=ENDPOINT,
        )
        self.task = asyncio.create_task(converse(spec, self.room, self.log.append, self.assets))

    def ready(self):
        self.room.tell(RtviMessage("client-ready", {"version": "2.0.0", "about": {}}, "7"))

    def type(self, text):
        self.room.tell(RtviMessage("send-text", {"content": text}))

    async def turns(self, count):
        await self.room.until(lambda: len(self.all(ev.TurnCompleted)) >= count)

    def all(self, kind):
        return [event for event in self.log if isinstance(event, kind)]

    async def end(self):
        async with asyncio.timeout(15):
            return await self.task


@pytest.fixture
def models(monkeypatch, scripted):
    stt, llm, tts = scripted.Stt(), scripted.Llm(), scripted.Tts()
    monkeypatch.setattr(resolve, "speech_to_text", lambda endpoint, prompt: stt)
    monkeypatch.setattr(resolve, "language_model", lambda endpoint, **kind: llm)
    monkeypatch.setattr(resolve, "text_to_speech", lambda endpoint: tts)
    scripted.llm, scripted.tts = llm, tts
    return scripted


@pytest.fixture
async def call(models, stage):
    encoder = stage.encoder
    assets = Assets(Deaf(), Deaf(), lambda *_: type(stage.avatar)(), lambda w, h: encoder)
    call = Call(assets)
    yield call
    if not call.task.done():
        call.task.cancel()
        await asyncio.wait([call.task])


def types(room):
    return [message.type for message in room.told]


async def test_a_call_from_greeting_to_goodbye(call):
    call.start()
    call.ready()
    await call.turns(1)
    call.type("How are you?")
    await call.turns(2)
    call.room.leave()
    assert await call.end() is EndReason.USER_LEFT
    assert [event.state for event in call.all(ev.StateEntered)] == [
        SessionState.MODEL_ORCHESTRATION,
        SessionState.WEBRTC_CONNECTION,
        SessionState.CONVERSATION,
    ]
    first, second = call.all(ev.TurnCompleted)
    assert first.agent_text == "Hi there."
    assert second.agent_text == "You said: How are you?"
    assert types(call.room) == [
        "bot-ready",
        "bot-started-speaking",
        *["bot-output"] * 2,
        "bot-stopped-speaking",
        "user-transcription",
        "bot-started-speaking",
        *["bot-output"] * 5,
        "bot-stopped-speaking",
    ]
    assert call.room.told[0].id == "7"
    assert call.room.seen[0][0].keyframe
    captured = {tick.capture_us for tick in call.room.heard}
    assert all(at in captured for _, at in call.room.seen)


async def test_the_face_is_live_before_the_models_are(call, models, monkeypatch):
    open_gate = asyncio.Event()
    speak = models.tts.speak

    async def late(text, *, voice):
        await open_gate.wait()
        async for chunk in speak(text, voice=voice):
            yield chunk

    monkeypatch.setattr(models.tts, "speak", late)
    call.start()
    await call.room.until(lambda: len(call.room.seen) >= 3)
    assert SessionState.CONVERSATION not in [e.state for e in call.all(ev.StateEntered)]
    call.ready()
    open_gate.set()
    await call.turns(1)


async def test_who_never_says_ready_is_greeted_all_the_same(call, monkeypatch):
    monkeypatch.setattr(session, "GREET_AFTER_S", 0.05)
    call.start()
    await call.turns(1)


async def test_the_user_interrupts_by_message(call, models):
    models.llm.answer = lambda text: "word " * 60
    call.start()
    call.ready()
    await call.turns(1)
    call.type("Talk.")
    await call.room.until(lambda: len(call.all(ev.AgentSaid)) >= 5)
    decided = now_us()
    call.room.tell(RtviMessage("client-message", {"t": "interrupt"}, "9"))
    await call.turns(2)
    turn = call.all(ev.TurnCompleted)[1]
    assert turn.interrupted
    assert 3 <= len(turn.agent_text.split()) < 20
    await call.room.until(lambda: call.room.heard[-1].at_us > decided + 200_000)
    after = [tick for tick in call.room.heard if tick.at_us > decided][:8]
    assert not any(tick.pcm.any() for tick in after[4:])  # the message's way, then 60 ms


async def test_what_the_network_asks_reaches_the_encoder(call, stage):
    call.start()
    await call.room.until(lambda: len(call.room.seen) >= 2)
    call.room.wish(RateUpdate(250_000))
    call.room.wish(KeyFrameRequest())
    seen = len(call.room.seen)
    await call.room.until(lambda: any(video.keyframe for video, _ in call.room.seen[seen:]))
    assert stage.encoder.bitrates == [250_000]


async def test_a_dead_model_is_told_aloud(call, models):
    call.start()
    call.ready()
    await call.turns(1)
    models.llm.answer = lambda text: DOWN
    call.type("Are you there?")
    assert await call.end() is EndReason.ERROR
    assert call.all(ev.SessionError) == [ev.SessionError("unreachable", DOWN.message, fatal=True)]
    errors = [m for m in call.room.told if m.type == "error"]
    assert [m.data["fatal"] for m in errors] == [True]
    last = call.all(ev.TurnCompleted)[-1]
    assert last.agent_text == session.APOLOGY
    spoken = [t for t in call.room.heard[-200:] if np.abs(t.pcm).max() > 1000]
    assert len(spoken) > 50


async def test_a_dead_voice_is_told_in_writing(call, models):
    models.tts.failure = ProviderError(
        "unreachable", "The voice cannot be reached.", retryable=True
    )
    call.start()
    call.ready()
    assert await call.end() is EndReason.ERROR
    captions = [m.data["text"] for m in call.room.told if m.type == "bot-output"]
    assert captions == [session.APOLOGY]
    assert "error" in types(call.room)


async def test_disconnect(call):
    call.start()
    call.ready()
    call.room.tell(RtviMessage("disconnect-bot"))
    assert await call.end() is EndReason.USER_LEFT


async def test_never_joined(call):
    async def connect():
        raise RoomError("connect_timeout", "The user's media did not connect.")

    call.room.connect = connect
    call.start()
    assert await call.end() is EndReason.NEVER_JOINED


async def test_max_duration(call):
    call.max_duration_s = 0.2
    call.start()
    assert await call.end() is EndReason.MAX_DURATION


async def test_nonsense_from_the_client_is_answered(call):
    call.start()
    call.room.tell(RtviMessage("send-text", {"content": 5}, "a"))
    call.room.tell(RtviMessage("dtmf", {}, "b"))
    await call.room.until(lambda: types(call.room).count("error-response") == 2)
    assert [m.id for m in call.room.told if m.type == "error-response"] == ["a", "b"]


async def test_typed_text_is_bounded(call, models):
    call.start()
    call.ready()
    await call.turns(1)
    models.llm.answer = lambda text: "That was long."
    call.type("x" * 60_000)
    await call.turns(2)
    assert len(models.llm.asked[-1][-1][1]) == requests.MAX_TYPED_CHARS


async def test_twenty_sessions_leave_nothing_behind(call):
    async def one():
        call.room, call.log = MemoryRoom(), []
        call.start()
        call.ready()
        call.type("Hello.")
        await call.room.until(lambda: bool(call.all(ev.AgentSaid)))
        call.room.leave()
        await call.end()

    await one()
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    for _ in range(20):
        await one()
    gc.collect()
    assert len(asyncio.all_tasks()) == tasks
    assert threading.active_count() == threads


async def test_a_face_that_fails_is_told_of_and_the_call_goes_on(models, stage):
    class Failing(type(stage.avatar)):
        def ready(self, turn_id):
            return True

        def end_of_speech(self, turn_id): ...

        async def run(self, report):
            report(BackendError("lost", "the worker hung up"))

    encoder = stage.encoder
    call = Call(Assets(Deaf(), Deaf(), lambda *_: Failing(), lambda w, h: encoder))
    call.start()
    call.ready()
    await call.turns(1)
    call.room.leave()
    assert await call.end() is EndReason.USER_LEFT
    (error,) = call.all(ev.SessionError)
    assert (error.code, error.fatal) == ("face_lost", False)
    assert error.message == "Another face has taken over: the worker hung up"
    assert "error" in types(call.room)
