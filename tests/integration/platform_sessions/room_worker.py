"""A worker with real rooms; its conversations only note what they are told, and need no model."""

from collections.abc import Callable

from visavis.conversation.commands import Inbox
from visavis.conversation.spec import SessionSpec
from visavis.events import AgentSaid, EndReason, SessionEvent, SessionState, StateEntered
from visavis.rooms.base import WebRtcRoom
from visavis.rooms.webrtc import open_room
from visavis.sessions.hosting import Hosting
from visavis.sessions.worker import main


async def converse(
    spec: SessionSpec, room: WebRtcRoom, emit: Callable[[SessionEvent], None], inbox: Inbox
) -> EndReason:
    emit(StateEntered(SessionState.WEBRTC_CONNECTION))
    await room.connect()
    emit(StateEntered(SessionState.CONVERSATION))
    async for message in room.messages():
        emit(AgentSaid(1, message.type))
    return await room.departed()


if __name__ == "__main__":
    main(
        lambda: Hosting(
            lambda spec: open_room(engine=spec.room_engine, ice_servers=(), size=(64, 64)),
            converse,
        )
    )
