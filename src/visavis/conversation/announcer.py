"""Tells the world what happens: the event log, and RTVI messages derived from it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from visavis.events import (
    AgentSaid,
    AgentStartedSpeaking,
    AgentStoppedSpeaking,
    SessionError,
    SessionEvent,
    ToolCallFinished,
    ToolCallStarted,
    UserStartedSpeaking,
    UserStoppedSpeaking,
    UserTranscript,
)
from visavis.rooms import rtvi
from visavis.rooms.base import Room
from visavis.rooms.rtvi import RtviMessage

_OUTBOX = 256


class Announcer:
    """Never blocks: messages for the user wait in a bounded outbox and overflow is dropped."""

    def __init__(self, room: Room, emit: Callable[[SessionEvent], None]) -> None:
        self._room = room
        self._emit = emit
        self._outbox: asyncio.Queue[RtviMessage] = asyncio.Queue(_OUTBOX)

    def publish(self, event: SessionEvent) -> None:
        """Log an event, and tell the user when it concerns them."""
        self._emit(event)
        if message := as_rtvi(event):
            self.send(message)

    def send(self, message: RtviMessage) -> None:
        if not self._outbox.full():
            self._outbox.put_nowait(message)

    async def run(self) -> None:
        """Send what is in the outbox, in order, until cancelled."""
        while True:
            await self._room.send(await self._outbox.get())

    async def flush(self) -> None:
        """Send what is left, once ``run`` has ended."""
        while not self._outbox.empty():
            await self._room.send(self._outbox.get_nowait())


def as_rtvi(event: SessionEvent) -> RtviMessage | None:
    """What the user's client is told about an event; None for our own business."""
    match event:
        case UserStartedSpeaking():
            return rtvi.user_started_speaking()
        case UserStoppedSpeaking():
            return rtvi.user_stopped_speaking()
        case UserTranscript():
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            return rtvi.user_transcription(
                event.text, final=event.final, timestamp=now, user_id="user"
            )
        case AgentStartedSpeaking():
            return rtvi.bot_started_speaking()
        case AgentSaid():
            return rtvi.bot_output(
                event.text, spoken=True, aggregated_by="word", segment_id=event.turn_id
            )
        case AgentStoppedSpeaking():
            return rtvi.bot_stopped_speaking()
        case ToolCallStarted():
            return rtvi.function_call_started(event.name)
        case ToolCallFinished():
            cancelled = event.error_code == "cancelled"
            return rtvi.function_call_stopped(event.call_id, event.name, cancelled=cancelled)
        case SessionError():
            return rtvi.error(event.message, fatal=event.fatal)
        case _:
            return None
