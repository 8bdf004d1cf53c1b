"""One conversation, from the first packet to the last word: joins all stages in one task group."""

import asyncio
from collections.abc import Callable

import structlog

from visavis.agents.schema import LlmConfig
from visavis.avatar.backends.base import BackendError, RemoteAvatar
from visavis.conversation.aligned import AlignedVoice
from visavis.conversation.announcer import Announcer
from visavis.conversation.assets import Assets
from visavis.conversation.commands import Inbox, Update
from visavis.conversation.dialogue import Dialogue
from visavis.conversation.feelings import Clause
from visavis.conversation.idle import Deadline, IdleWatch
from visavis.conversation.listener import Listener
from visavis.conversation.playout import Playout
from visavis.conversation.recording import RecordedRoom
from visavis.conversation.requests import Requests
from visavis.conversation.session_tools import SessionTools
from visavis.conversation.speaker import Speaker
from visavis.conversation.spec import SessionSpec
from visavis.conversation.steering import Steering
from visavis.conversation.streams import closing, once
from visavis.conversation.transcriber import Transcriber
from visavis.conversation.turn_taking import TurnTaking
from visavis.events import EndReason, SessionError, SessionEvent, SessionState, StateEntered
from visavis.media import SpeechChunk
from visavis.providers import espeak, resolve
from visavis.providers.base import LanguageModel, ProviderError, TextToSpeech
from visavis.rooms import rtvi
from visavis.rooms.base import KeyFrameRequest, Room, RoomError

log = structlog.stdlib.get_logger("visavis.conversation")

APOLOGY = "I'm sorry, something went wrong on my side. Please try again later. Goodbye."
GREET_AFTER_S = 2.0
"""How long to wait for the client to say that it is ready."""
_APOLOGY_S = 10.0


class _Over(Exception):
    """Ends the session's task group."""


async def converse(
    spec: SessionSpec,
    room: Room,
    emit: Callable[[SessionEvent], None],
    assets: Assets,
    commands: Inbox | None = None,
) -> EndReason:
    """Hold the conversation and tell why it ended. ``room`` is the caller's, to close.

    ``commands`` are obeyed as they come, from the moment that the user can hear the agent.

    ``emit`` is called on the event loop and must not block. Model failures end in
    ``EndReason.ERROR``, said aloud; only bugs and cancellation are raised.
    """
    emit(StateEntered(SessionState.MODEL_ORCHESTRATION))
    async with RecordedRoom(room, spec, emit) as recorded:
        return await _Session(spec, recorded, emit, assets, commands or Inbox()).run()


class _Session:
    def __init__(
        self,
        spec: SessionSpec,
        room: RecordedRoom,
        emit: Callable[[SessionEvent], None],
        assets: Assets,
        commands: Inbox,
    ) -> None:
        agent = spec.agent
        self._spec = spec
        self._room = room
        self._idle = IdleWatch()
        self._deadline = Deadline(agent.max_duration_seconds)
        self._language = agent.language
        self._llm_config = agent.llm
        self._emit = _both(self._idle.note, emit)
        self._announcer = Announcer(room, self._emit)
        self._listener = Listener(
            assets.vad.stream(),
            assets.end_of_turn,
            max_silence_ms=agent.turn_taking.max_silence_ms,
        )
        stt = resolve.speech_to_text(spec.stt, prompt=agent.stt.prompt)
        llm = self._language_model()
        self._speaker = Speaker(self._voice(), agent.tts.voice_id)
        self._dialogue = Dialogue(llm, agent.llm.system_prompt, spec.context)
        self._client_ready = asyncio.Event()
        self._tools = SessionTools(spec, self._announcer, self._dialogue, self._client_ready)
        self._turns = TurnTaking(
            self._listener,
            lambda: Transcriber(stt, self._language),
            self._dialogue,
            self._speaker,
            self._announcer,
            self._fail,
            self._tools.calls,
            interruptible=agent.turn_taking.interruptible,
        )
        self._requests = Requests(
            spec.agent_name,
            self._announcer,
            self._turns,
            self._dialogue,
            self._tools,
            self._client_ready,
            lambda: self._end(EndReason.USER_LEFT),
        )
        self._steering = Steering(commands, self._turns, self._dialogue, self._update)
        avatar = assets.new_avatar(agent.video, spec.rig_file, spec.background_file)
        self._avatar = avatar
        self._tools.build_in(self._speak_language, avatar.feel)
        encoder = assets.new_encoder(*avatar.size)
        self._playout = Playout(room, avatar, encoder, self._turns.on_playout, agent.video.render)
        room.request_keyframe = self._playout.video.request_keyframe
        self._connected = asyncio.Event()
        self._apology: list[SpeechChunk] = []
        self._over: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()

    async def run(self) -> EndReason:
        reason = EndReason.ERROR
        try:
            async with asyncio.TaskGroup() as tasks:
                self._turns.attach(self._playout, tasks)
                self._tools.calls.attach(
                    tasks,
                    self._playout.unheard_s,
                    self._turns.tell,
                    lambda: self._end(EndReason.AGENT_ENDED),
                )
                tasks.create_task(self._announcer.run())
                if isinstance(self._avatar, RemoteAvatar):
                    tasks.create_task(self._avatar.run(self._face_failed))
                tasks.create_task(self._watch_user())
                tasks.create_task(self._live(tasks))
                reason = await self._over
                if reason is EndReason.ERROR:
                    await self._apologise()
                raise _Over
        except* _Over:
            pass
        finally:
            self._tools.calls.close()
        await self._announcer.flush()
        return reason

    def _end(self, reason: EndReason) -> None:
        if not self._over.done():
            self._over.set_result(reason)

    def _fail(self, error: ProviderError) -> None:
        """A model is beyond help: say so, and end."""
        if not self._over.done():
            log.error("provider_failed", code=error.code)  # its words may quote what was said
            self._announcer.publish(SessionError(error.code, error.message, fatal=True))
            self._end(EndReason.ERROR)

    def _face_failed(self, error: BackendError) -> None:
        """The puppet has taken over; the call goes on."""
        why = "the backend broke" if error.code == "worker" else error.message
        message = f"Another face has taken over: {why}"  # an adapter's own words are in the log
        self._announcer.publish(SessionError(f"face_{error.code}", message, fatal=False))

    # -- what may change on the way

    def _update(self, wish: Update) -> None:
        """Change the agent from its next turn on."""
        wanted = wish.model_dump(exclude_none=True, include=set(LlmConfig.model_fields))
        self._llm_config = self._llm_config.model_copy(update=wanted)
        self._dialogue.think_with(self._language_model())
        if wish.system_prompt is not None:
            self._dialogue.instruct(wish.system_prompt)
        if wish.voice_id is not None:
            self._speaker.voice = wish.voice_id
        if wish.language is not None:
            self._speak_language(wish.language)
        if wish.max_duration_seconds is not None:
            self._deadline.set(wish.max_duration_seconds)

    def _language_model(self) -> LanguageModel:
        return resolve.language_model(
            self._spec.llm,
            temperature=self._llm_config.temperature,
            max_tokens=self._llm_config.max_tokens,
            session_id=self._spec.session_id,
        )

    def _voice(self) -> TextToSpeech:
        """The agent's voice; where it may know no times, with those of a voice that does."""
        voice = resolve.text_to_speech(self._spec.tts)
        reference = self._spec.reference_tts
        if reference is not None:
            voice = AlignedVoice(
                voice,
                resolve.text_to_speech(reference),
                lambda: self._language.startswith("en"),
            )
        if espeak.installed() and not self._spec.tts.embedded:
            others = espeak.EspeakVoice(lambda: self._language)
            in_english = reference is None
            voice = AlignedVoice(
                voice, others, lambda: in_english or not self._language.startswith("en")
            )
        return voice

    def _speak_language(self, language: str) -> None:
        self._language = language
        self._tools.fillers.speak(language)

    # -- from connecting to talking

    async def _live(self, tasks: asyncio.TaskGroup) -> None:
        """The face is live as soon as the room is, whatever the models still need."""
        voice = tasks.create_task(self._prepare_voice())
        tasks.create_task(self._prepare_model())
        tasks.create_task(self._tools.keep_open(self._turns.reread))
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
        await self._tools.opened.wait()  # a first turn without them would surprise
        if self._over.done():
            return
        self._emit(StateEntered(SessionState.CONVERSATION))
        tasks.create_task(self._listen())
        tasks.create_task(self._requests.serve(self._room.messages()))
        tasks.create_task(self._steering.run())
        tasks.create_task(self._greet())
        tasks.create_task(self._watch_silence())
        await self._deadline.passed()
        self._end(EndReason.MAX_DURATION)

    async def _watch_silence(self) -> None:
        timeout_s = self._spec.agent.idle_timeout_seconds
        if timeout_s is not None:
            await self._idle.expired(timeout_s)
            self._end(EndReason.IDLE_TIMEOUT)

    async def _prepare_voice(self) -> None:
        """Warm the voice, and keep an apology for when something fails."""
        try:
            async with closing(self._speaker.speak(0, once(Clause(APOLOGY)))) as speech:
                self._apology = [piece.chunk async for piece in speech]
        except ProviderError as error:
            await self._fail_once_connected(error)

    async def _prepare_model(self) -> None:
        """Let the model read the prompt; the greeting does not wait for it.

        A passing failure is left to the first reply, which may fare better.
        """
        await self._tools.opened.wait()
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
        greeting = self._spec.agent.greeting
        if greeting.who_first == "user":
            if greeting.wait_seconds is None:
                return
            await asyncio.sleep(greeting.wait_seconds)
            if self._idle.user_spoke:
                return
        text = self._spec.agent.llm.first_message
        self._turns.greet(text, interruptible=greeting.interruptible)

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


def _both(
    first: Callable[[SessionEvent], None], second: Callable[[SessionEvent], None]
) -> Callable[[SessionEvent], None]:
    def emit(event: SessionEvent) -> None:
        first(event)
        second(event)

    return emit
