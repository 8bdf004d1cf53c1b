"""A real worker process whose room and conversation follow a script, named in the offer.

Everything around them is the product: process, control channel, supervision, records.
"""

import asyncio
import contextlib
import itertools
import os
import threading
from collections.abc import AsyncIterator, Callable

from visavis.conversation.commands import Inbox
from visavis.conversation.spec import SessionSpec
from visavis.events import (
    AgentSaid,
    AgentStartedSpeaking,
    AgentStoppedSpeaking,
    EndReason,
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
from visavis.media import AudioChunk, EncodedVideo, Pcm
from visavis.rooms.base import IceCandidate, KeyFrameRequest, RateUpdate, RoomError
from visavis.rooms.rtvi import RtviMessage
from visavis.sessions import hosting
from visavis.sessions.hosting import Hosting
from visavis.sessions.worker import main

ATTACK = "<script>alert(1)</script>\n\nWEBVTT --> & <v Eve>"


class ScriptedRoom:
    def __init__(self) -> None:
        self.script = ""
        self.closed = asyncio.Event()

    async def answer(self, sdp: str) -> str:
        if not sdp.startswith("v=0"):
            raise RoomError("bad_offer", "This is not SDP.")
        self.script = self.script or sdp.split()[-1]
        if self.script == "slow":
            await asyncio.sleep(1)
        return f"answer to {sdp}"

    async def add_candidate(self, candidate: IceCandidate) -> None:
        if not candidate.candidate.startswith("candidate:"):
            raise RoomError("bad_candidate", "This is not a candidate.")

    async def connect(self) -> None: ...

    async def audio_in(self) -> AsyncIterator[AudioChunk]:
        for chunk in ():
            yield chunk

    def push_audio(self, pcm: Pcm, capture_us: int) -> None: ...

    def push_video(self, packet: EncodedVideo, capture_us: int) -> None: ...

    def push_pose(self, data: bytes) -> bool:
        return False

    async def feedback(self) -> AsyncIterator[KeyFrameRequest | RateUpdate]:
        for change in ():
            yield change

    async def send(self, message: RtviMessage) -> None: ...

    async def messages(self) -> AsyncIterator[RtviMessage]:
        for message in ():
            yield message

    async def departed(self) -> EndReason:
        await self.closed.wait()
        return EndReason.USER_LEFT

    async def close(self) -> None:
        self.closed.set()


async def converse(
    spec: SessionSpec, room: ScriptedRoom, emit: Callable[[SessionEvent], None], inbox: Inbox
) -> EndReason:
    for state in ("model_orchestration", "webrtc_connection", "conversation"):
        emit(StateEntered(SessionState(state)))
    emit(UserStartedSpeaking(1))
    emit(UserTranscript(1, "hello there", final=True))
    emit(UserStoppedSpeaking(1))
    emit(AgentStartedSpeaking(1))
    emit(AgentSaid(1, "hi"))
    match room.script:
        case "crash":
            raise RuntimeError("scripted crash")
        case "leave":
            emit(AgentStoppedSpeaking(1, interrupted=False))
            timings = TurnTimings(voice_to_voice_ms=800.0)
            emit(TurnCompleted(1, "hello there", "hi", False, timings, 25, 1))
            return EndReason.USER_LEFT
        case "die":
            os.abort()
        case "hang":
            await asyncio.sleep(0.3)  # let the events out, then block the loop for good
            threading.Event().wait()
        case "obey":  # says what it is told, in the words in which it was told
            for turn_id in itertools.count(2):
                told = await inbox.get()
                inbox.served()
                emit(AgentSaid(turn_id, told.model_dump_json(exclude_none=True)))
        case "tools":
            emit(ToolCallStarted(1, "call-1", "tool-1", "look_up", '{"secret": "key"}'))
            emit(ToolCallFinished(1, "call-1", "look_up", True, "secret result", 12.5))
            emit(ToolCallStarted(1, "call-2", "tool-2", "book", "{}", is_async=True))
            return await room.departed()
        case "script":  # an attack on whoever shows what was said
            emit(UserTranscript(2, ATTACK, final=True))
            emit(AgentSaid(2, ATTACK))
            return await room.departed()
        case "stubborn":  # does not end when it should, nor ever
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(3600)
        case _:
            return await room.departed()
    return EndReason.ERROR


def scripted() -> Hosting:
    hosting.GIVE_UP_S = 2.0
    return Hosting(lambda spec: ScriptedRoom(), converse)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(scripted)
