"""The control channel between server and worker: typed messages, one JSON object a line.

It runs over a socket pair made by the server before it starts the worker, so no name on disk has
to be guarded, and either side sees end-of-file the moment the other dies.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from visavis.agents.fields import Strict
from visavis.conversation.commands import Command
from visavis.conversation.spec import SessionSpec
from visavis.events import EndReason, EventRecord

MAX_LINE = 4 << 20
"""Bytes of one message; the longest carry an agent with its prompt and the schemas of its tools."""
MAX_UNSENT = 4 << 20
"""Bytes that may wait for a peer that does not read, before the channel is given up."""


class OpenRoom(BaseModel):
    """Open a room for ``spec`` and answer the user's offer; events start at ``first_seq``."""

    type: Literal["open_room"] = "open_room"
    request_id: int = 0
    spec: SessionSpec
    sdp: str
    first_seq: int


class Renegotiate(BaseModel):
    type: Literal["renegotiate"] = "renegotiate"
    request_id: int = 0
    session_id: str
    sdp: str


class Candidate(Strict):
    """A trickled ICE candidate, as the browser words it; browsers add members of their own."""

    model_config = ConfigDict(extra="ignore")

    candidate: str = Field(max_length=2000)
    sdp_mid: str | None = Field(default=None, max_length=64)
    sdp_mline_index: int | None = Field(default=None, ge=0, le=64)


class AddCandidates(BaseModel):
    type: Literal["add_candidates"] = "add_candidates"
    request_id: int = 0
    session_id: str
    candidates: list[Candidate]


class Tell(BaseModel):
    """Hand a command to a running conversation; the reply says whether it had room for it."""

    type: Literal["tell"] = "tell"
    request_id: int = 0
    session_id: str
    command: Command


class EndSession(BaseModel):
    """End one session; ``Finished`` follows."""

    type: Literal["end_session"] = "end_session"
    session_id: str
    reason: EndReason


class Stop(BaseModel):
    """End all sessions as ``server_stopped``, then leave."""

    type: Literal["stop"] = "stop"


class Drain(BaseModel):
    """Take no more sessions; leave when the last has ended."""

    type: Literal["drain"] = "drain"


class Ready(BaseModel):
    """The worker has loaded everything and takes sessions."""

    type: Literal["ready"] = "ready"
    pid: int


class Failed(BaseModel):
    """The worker cannot load; ``message`` says why in words for the terminal."""

    type: Literal["failed"] = "failed"
    message: str


class Heartbeat(BaseModel):
    type: Literal["heartbeat"] = "heartbeat"
    sessions: int
    loop_lag_ms: float


class Retiring(BaseModel):
    """The worker holds a session that does not let go: it takes no more, and leaves when it can."""

    type: Literal["retiring"] = "retiring"


class Reply(BaseModel):
    """The answer to a request: ``sdp`` for offers; ``code`` and ``message`` if it was refused."""

    type: Literal["reply"] = "reply"
    request_id: int
    sdp: str = ""
    code: str | None = None
    message: str = ""


class Event(BaseModel):
    type: Literal["event"] = "event"
    record: EventRecord


class Finished(BaseModel):
    """The session is over and its room released; no event of it will follow."""

    type: Literal["finished"] = "finished"
    session_id: str
    reason: EndReason


Request = OpenRoom | Renegotiate | AddCandidates | Tell
ToWorker = Annotated[Request | EndSession | Stop | Drain, Field(discriminator="type")]
FromWorker = Annotated[
    Ready | Failed | Heartbeat | Retiring | Reply | Event | Finished, Field(discriminator="type")
]
TO_WORKER: TypeAdapter[ToWorker] = TypeAdapter(ToWorker)
FROM_WORKER: TypeAdapter[FromWorker] = TypeAdapter(FromWorker)

In = TypeVar("In")


class ChannelClosed(Exception):
    """The other side is gone, or speaks nonsense."""


class MessageTooLong(Exception):
    """Not sent: the other side would take it for nonsense, and hang up."""


class Channel(Generic[In]):
    """One end of the control channel; ``In`` is what the other side says."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        inbound: TypeAdapter[In],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._inbound = inbound

    def send(self, message: BaseModel) -> None:
        """Queue a message; never blocks. Raises ``ChannelClosed`` or ``MessageTooLong``."""
        if self._writer.is_closing():
            raise ChannelClosed("the channel is closed")
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT:
            self._writer.transport.abort()
            raise ChannelClosed("the other side stopped reading")
        line = message.model_dump_json().encode() + b"\n"
        if len(line) > MAX_LINE:
            raise MessageTooLong(f"{len(line)} bytes")
        self._writer.write(line)

    async def receive(self) -> In:
        """The next message. Raises ``ChannelClosed``; safe to cancel."""
        try:
            line = await self._reader.readuntil(b"\n")
            return self._inbound.validate_json(line)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ChannelClosed("the other side is gone") from error
        except (asyncio.LimitOverrunError, ValidationError) as error:
            raise ChannelClosed(f"unreadable message: {type(error).__name__}") from error

    async def messages(self) -> AsyncIterator[In]:
        """All messages until the other side is gone."""
        while True:
            try:
                message = await self.receive()
            except ChannelClosed:
                return
            yield message

    async def close(self) -> None:
        """Send what is queued (for at most a second) and close; idempotent."""
        self._writer.close()
        try:
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
        except (TimeoutError, ConnectionError):
            self._writer.transport.abort()


async def open_channel(sock: socket.socket, inbound: TypeAdapter[In]) -> Channel[In]:
    """Speak over one end of a socket pair, which then belongs to the channel."""
    sock.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=sock, limit=MAX_LINE)
    return Channel(reader, writer, inbound)
