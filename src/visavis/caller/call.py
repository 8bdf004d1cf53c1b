"""One call: ring, let the agent greet, speak each utterance and hear the reply out, hang up."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from visavis.caller.microphone import HungUp, Spoken
from visavis.caller.peer import Peer
from visavis.caller.recording import AudioTape, VideoTape
from visavis.caller.server_api import ServerApi, StartedSession
from visavis.caller.speech import Utterance
from visavis.caller.witness import CallLost, Witness
from visavis.rooms.rtvi import RTVI_VERSION, RtviMessage

_READY_S = 30.0
_GREETING_S = 8.0
_REPLY_S = 30.0
_SPEECH_S = 90.0
_QUIET_S = 0.8
_PAUSE_S = 0.5
_EARLY_S = 0.5
"""An agent that takes a turn this long before our last sample has replied to it."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One utterance of ours and what came of it; local monotonic seconds."""

    utterance: Utterance
    spoken: Spoken
    replied_s: float | None
    """The first audible sample of the reply, as received."""
    end_s: float
    interrupted_by_us: bool = False


class Call:
    """A running call; made by ``open_call``."""

    def __init__(self, session: StartedSession, peer: Peer, witness: Witness) -> None:
        self.session = session
        self.witness = witness
        self.own_sound = AudioTape()
        self._peer = peer

    async def hear_greeting(self) -> None:
        """Wait until the agent has said its first message; returns soon if it has none."""
        try:
            await self.witness.until(lambda: self.witness.agent_started_after(0), _GREETING_S)
        except TimeoutError:
            return
        await self._hear_out()

    async def exchange(
        self,
        utterance: Utterance,
        *,
        at_once: bool = False,
        leave_after_s: float | None = None,
    ) -> Exchange:
        """Say it, and hear the reply out, or only ``leave_after_s`` of it.

        ``at_once`` leaves out the natural pause: for cutting in.

        Raises:
            CallLost: the connection ended before the reply did.
        """
        if not at_once:
            await asyncio.sleep(_PAUSE_S)
        try:
            spoken = await self._peer.microphone.say(utterance.pcm)
        except HungUp as error:
            raise CallLost(self.witness.last_error() or str(error)) from error
        self.own_sound.add(utterance.pcm, spoken.start_s)
        replied_s = None
        try:
            asked_s = spoken.end_s - _EARLY_S
            await self.witness.until(lambda: self.witness.agent_started_after(asked_s), _REPLY_S)
            if leave_after_s is None:
                await self._hear_out()
            else:
                await asyncio.sleep(leave_after_s)
            replied_s = self.witness.first_audible(spoken.end_s)
        except TimeoutError:
            pass  # a turn without a reply is a result, which the report shows
        return Exchange(utterance, spoken, replied_s, time.monotonic(), leave_after_s is not None)

    async def _hear_out(self) -> None:
        """Wait until the agent has been quiet for a moment."""
        async with asyncio.timeout(_SPEECH_S):
            while True:
                await self.witness.until(lambda: not self.witness.agent_speaking, _SPEECH_S)
                try:
                    await self.witness.until(lambda: self.witness.agent_speaking, _QUIET_S)
                except TimeoutError:
                    return


@asynccontextmanager
async def open_call(api: ServerApi, agent_id: str, video: VideoTape) -> AsyncGenerator[Call]:
    """Start a session with an agent and connect to its room; hang up when left.

    Raises:
        ServerRefused: no session, or the offer was refused.
        ConnectError: no media connection.
        TimeoutError: the agent did not get ready.
    """
    session = await api.start_session(agent_id)
    peer = Peer(session.ice_servers)
    try:
        await peer.connect(lambda sdp: api.offer(session, sdp))
        async with _witness(peer, video) as witness:
            peer.send(_client_ready())
            await witness.until(lambda: bool(witness.said("bot-ready")), _READY_S)
            yield Call(session, peer, witness)
            peer.send(RtviMessage("disconnect-bot"))
    except ExceptionGroup as group:  # of one: the task group wraps even what its body raises
        raise group.exceptions[0] from group
    finally:
        await peer.close()


@asynccontextmanager
async def _witness(peer: Peer, video: VideoTape) -> AsyncGenerator[Witness]:
    """A witness at work until left."""
    witness = Witness(peer, video)
    async with asyncio.TaskGroup() as tasks:
        work = (
            witness.watch(),
            witness.listen(),
            witness.read(),
            witness.notice_end(),
            peer.keep_alive(),
        )
        running = [tasks.create_task(watching) for watching in work]
        try:
            yield witness
        finally:
            for task in running:
                task.cancel()


def _client_ready() -> RtviMessage:
    about = {"library": "visavis-caller", "library_version": "0.1.0"}
    return RtviMessage("client-ready", {"version": RTVI_VERSION, "about": about})
