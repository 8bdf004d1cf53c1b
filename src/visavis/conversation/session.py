"""One conversation, from the first packet to the last word: joins all stages in one task group."""

import asyncio
from collections.abc import Callable

import structlog

from visavis.conversation.announcer import Announcer
from visavis.conversation.assets import Assets
from visavis.conversation.dialogue import Dialogue
from visavis.conversation.listener import Listener
from visavis.conversation.playout import Playout
from visavis.conversation.recording import RecordedRoom
from visavis.conversation.speaker import Speaker
from visavis.conversation.spec import SessionSpec
from visavis.conversation.streams import closing, once
from visavis.conversation.transcriber import Transcriber
from visavis.conversation.turn_taking import TurnTaking
from visavis.events import EndReason, SessionError, SessionEvent, SessionState, StateEntered
from visavis.media import SpeechChunk
from visavis.providers import resolve
from visavis.providers.base import ProviderError
from visavis.rooms import rtvi
from visavis.rooms.base import KeyFrameRequest, Room, RoomError
from visavis.rooms.rtvi import RtviError, RtviMessage

log = structlog.stdlib.get_logger("visavis.conversation")

APOLOGY = "I'm sorry, something went wrong on my side. Please try again later. Goodbye."
GREET_AFTER_S = 2.0
"""How long to wait for the client to say that it is ready."""
MAX_TYPED_CHARS = 1000
_APOLOGY_S = 10.0


class _Over(Exception):
    """Ends the session's task group."""


async def converse(
    spec: SessionSpec, room: Room, emit: Callable[[SessionEvent], None], assets: Assets
) -> EndReason:
    """Hold the conversation and tell why it ended. ``room`` is the caller's, to close.

    ``emit`` is called on the event loop and must not block. Model failures end in
    ``EndReason.ERROR``, said aloud; only bugs and cancellation are raised.
    """
    emit(StateEntered(SessionState.MODEL_ORCHESTRATION))
    async with RecordedRoom(room, spec, emit) as recorded:
        return await _Session(spec, recorded, emit, assets).run()


class _Session:
    def __init__(
        self,
        spec: SessionSpec,
        room: RecordedRoom,
        emit: Callable[[SessionEvent], None],
        assets: Assets,
    ) -> None:
        agent = spec.agent
        self._spec = spec
        self._room = room
        self._emit = emit
        self._announcer = Announcer(room, emit)
        self._listener = Listener(assets.vad.stream(), assets.end_of_turn)
        stt = resolve.speech_to_text(spec.stt, prompt=agent.stt.prompt)
        llm = resolve.language_model(
            spec.llm,
            temperature=agent.llm.temperature,
            max_tokens=agent.llm.max_tokens,
            session_id=spec.session_id,
        )
        self._speaker = Speaker(resolve.text_to_speech(spec.tts), agent.tts.voice_id)
        self._dialogue = Dialogue(llm, agent.llm.system_prompt)
        self._turns = TurnTaking(
            self._listener,
            lambda: Transcriber(stt, agent.language),
            self._dialogue,
            self._speaker,
            self._announcer,
            self._fail,
        )
        avatar = assets.new_avatar(agent.video.character_id)
        encoder = assets.new_encoder(*avatar.size)
        self._playout = Playout(room, avatar, encoder, self._turns.on_playout)
        room.request_keyframe = self._playout.video.request_keyframe
        self._connected = asyncio.Event()
        self._client_ready = asyncio.Event()
        self._apology: list[SpeechChunk] = []
        self._over: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()

    async def run(self) -> EndReason:
        reason = EndReason.ERROR
        try:
            async with asyncio.TaskGroup() as tasks:
                self._turns.attach(self._playout, tasks)
                tasks.create_task(self._announcer.run())
                tasks.create_task(self._watch_user())
                tasks.create_task(self._live(tasks))
                reason = await self._over
                if reason is EndReason.ERROR:
                    await self._apologise()
                raise _Over
        except* _Over:
            pass
        await self._announcer.flush()
        return reason

    def _end(self, reason: EndReason) -> None:
        if not self._over.done():
            self._over.set_result(reason)

    def _fail(self, error: ProviderError) -> None:
        """A model is beyond help: say so, and end."""
        if not self._over.done():
            log.error("provider_failed", code=error.code, message=error.message)
            self._announcer.publish(SessionError(error.code, error.message, fatal=True))
            self._end(EndReason.ERROR)

    # -- from connecting to talking

    async def _live(self, tasks: asyncio.TaskGroup) -> None:
        """The face is live as soon as the room is, whatever the models still need."""
        voice = tasks.create_task(self._prepare_voice())
        tasks.create_task(self._prepare_model())
        self._emit(StateEntered(SessionState.WEBRTC_CONNECTION))
        try:
            await self._room.connect()
        except RoomError as error:
            log.info("no_connection", code=error.code)
            self._end(EndReason.NEVER_JOINED)
            return
        self._connected.set()
        tasks.create_task(self._playout.run())
        tasks.create_task(self._obey_network())
        await voice
        if self._over.done():
            return
        self._emit(StateEntered(SessionState.CONVERSATION))
        tasks.create_task(self._listen())
        tasks.create_task(self._obey_user())
        tasks.create_task(self._greet())
        await asyncio.sleep(self._spec.agent.max_duration_seconds)
        self._end(EndReason.MAX_DURATION)

    async def _prepare_voice(self) -> None:
        """Warm the voice, and keep an apology for when something fails."""
        try:
            async with closing(self._speaker.speak(0, once(APOLOGY))) as speech:
                self._apology = [piece.chunk async for piece in speech]
        except ProviderError as error:
            await self._fail_once_connected(error)

    async def _prepare_model(self) -> None:
        """Let the model read the prompt; the greeting does not wait for it.

        A passing failure is left to the first reply, which may fare better.
        """
        try:
            await self._dialogue.prefill()
        except ProviderError as error:
            if error.retryable:
                log.warning("not_prefilled", code=error.code)
            else:
                await self._fail_once_connected(error)

    async def _fail_once_connected(self, error: ProviderError) -> None:
        await self._connected.wait()  # whom else to tell?
        self._fail(error)

    async def _apologise(self) -> None:
        said = [chunk.text for chunk in self._apology] or [APOLOGY]
        self._announcer.send(
            rtvi.bot_output(" ".join(said), spoken=False, aggregated_by="sentence")
        )
        if self._apology:
            try:
                async with asyncio.timeout(_APOLOGY_S):
                    await self._turns.say_last(self._apology)
            except TimeoutError:
                log.warning("apology_not_heard")

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(GREET_AFTER_S):
                await self._client_ready.wait()
        except TimeoutError:
            log.info("client_not_ready")
        self._turns.greet(self._spec.agent.llm.first_message)

    # -- what comes from the room

    async def _watch_user(self) -> None:
        self._end(await self._room.departed())

    async def _listen(self) -> None:
        async with closing(self._listener.utterances(self._room.audio_in())) as events:
            async for event in events:
                self._turns.on_utterance(event)

    async def _obey_network(self) -> None:
        async for wish in self._room.feedback():
            if isinstance(wish, KeyFrameRequest):
                self._playout.video.request_keyframe()
            else:
                self._playout.video.set_bitrate(wish.bitrate_bps)

    async def _obey_user(self) -> None:
        async for message in self._room.messages():
            try:
                self._serve(message)
            except RtviError as error:
                self._announcer.send(rtvi.error_response(error.message, in_reply_to=message.id))

    def _serve(self, message: RtviMessage) -> None:
        match rtvi.request(message):
            case rtvi.ClientReady():
                about: dict[str, object] = {"library": "visavis", "agent": self._spec.agent_name}
                self._announcer.send(rtvi.bot_ready(about, in_reply_to=message.id))
                self._client_ready.set()
            case rtvi.SendText(content, run_immediately):
                if run_immediately:
                    self._turns.type_text(content[:MAX_TYPED_CHARS])
                else:
                    self._dialogue.remember(content[:MAX_TYPED_CHARS], "")
            case rtvi.Interrupt():
                self._turns.interrupt()
            case rtvi.DisconnectBot():
                self._end(EndReason.USER_LEFT)
            case rtvi.ClientMessage() | rtvi.Unsupported():
                problem = f"{message.type} is not supported."
                self._announcer.send(rtvi.error_response(problem, in_reply_to=message.id))
