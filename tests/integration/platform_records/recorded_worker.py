"""A real worker process whose calls are scripted, but recorded for real: VP8 and sound.

The offer's last word is the script: ``{consent}-{end}``, such as ``yes-leave`` or ``none-die``.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable

import numpy as np

from visavis.avatar.encoder import Vp8Encoder
from visavis.conversation.recording import CONSENT, RecordedRoom
from visavis.conversation.spec import SessionSpec
from visavis.events import (
    AgentSaid,
    AgentStartedSpeaking,
    AgentStoppedSpeaking,
    EndReason,
    SessionError,
    SessionEvent,
    SessionState,
    StateEntered,
    ToolCallFinished,
    ToolCallStarted,
    TurnCompleted,
    TurnTimings,
    UserStartedSpeaking,
    UserStoppedSpeaking,
    UserTranscript,
)
from visavis.media import I420, INPUT_TICK, OUTPUT_TICK, AudioChunk
from visavis.rooms.rtvi import RtviMessage
from visavis.sessions.hosting import Hosting
from visavis.sessions.worker import main
from visavis.testing import MemoryRoom

MARK = "My secret is marzipan-4711"
"""What is said and what tools are told."""
SOUND_MARK = np.frombuffer(b"marzipan-in-the-sound!", np.int16)
"""Samples that the user's sound repeats."""
SHOWN = UserStartedSpeaking(2)
"""The event that all was said and shown."""
SECONDS = 3
SIDE = 64


class ScriptedRoom(MemoryRoom):
    script = ""

    async def answer(self, sdp: str) -> str:
        self.script = sdp.split()[-1]
        return f"answer to {sdp}"

    async def add_candidate(self, candidate: object) -> None: ...

    async def audio_in(self) -> AsyncIterator[AudioChunk]:
        user = np.resize(SOUND_MARK, INPUT_TICK)
        for n in range(SECONDS * 50):
            yield AudioChunk(user, 1_000_000 + n * 20_000)


async def converse(
    spec: SessionSpec, room: ScriptedRoom, emit: Callable[[SessionEvent], None], *_: object
) -> EndReason:
    consent, end = room.script.split("-")
    for state in ("model_orchestration", "webrtc_connection", "conversation"):
        emit(StateEntered(SessionState(state)))
    async with RecordedRoom(room, spec, emit) as recorded:  # type: ignore[arg-type]
        answer = {"yes": True, "no": False}.get(consent)
        if answer is not None:
            room.tell(RtviMessage("client-message", {"t": CONSENT, "d": {"granted": answer}}))
        reading = asyncio.create_task(_read(recorded))
        if answer is not None:
            await room.until(lambda: bool(room.told))
        _talk(emit)
        await _show(recorded)
        async for _chunk in recorded.audio_in():
            pass
        await _written(recorded)
        emit(SHOWN)
        if end == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if end == "stay":
            await room.departed()
        room.leave()
        await reading
    return EndReason.USER_LEFT


async def _written(room: RecordedRoom) -> None:
    """The recorder, which writes in its own time, has nothing left to write."""
    while True:
        await asyncio.sleep(0.1)
        if room._recorder is None or room._recorder._waiting.empty():
            return


async def _read(room: RecordedRoom) -> None:
    async for _ in room.messages():
        pass


def _talk(emit: Callable[[SessionEvent], None]) -> None:
    emit(UserStartedSpeaking(1))
    emit(UserTranscript(1, f"{MARK}, said the user", final=True))
    emit(UserStoppedSpeaking(1))
    emit(ToolCallStarted(1, "c1", "t1", "look_up", f'{{"about": "{MARK}"}}'))
    emit(ToolCallFinished(1, "c1", "look_up", True, f"{MARK}, said the tool", 12.0))
    emit(AgentStartedSpeaking(1))
    emit(AgentSaid(1, f"{MARK}, said the agent"))
    emit(AgentStoppedSpeaking(1, interrupted=False))
    emit(SessionError("llm_failed", f"The model said: {MARK}", fatal=False))
    timings = TurnTimings(voice_to_voice_ms=800.0)
    emit(TurnCompleted(1, f"{MARK} user", f"{MARK} agent", False, timings, 25, 1))


async def _show(room: RecordedRoom) -> None:
    """Three seconds of pictures and of the agent's sound."""
    encoder = Vp8Encoder(SIDE, SIDE)
    picture = I420.empty(SIDE, SIDE)
    picture.buffer[SIDE:] = 128
    tone = (np.sin(np.arange(OUTPUT_TICK) * 2 * np.pi * 500 / 48_000) * 5000).astype(np.int16)
    for n in range(SECONDS * 50):
        at_us = 1_000_000 + n * 20_000
        room.push_audio(tone, at_us)
        if n % 2 == 0:
            picture.y[:] = 40 + n
            room.push_video(encoder.encode(picture, n // 2), at_us)
        if n % 50 == 0:
            await asyncio.sleep(0)


def recorded() -> Hosting:
    return Hosting(lambda spec: ScriptedRoom(), converse)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(recorded)
