"""Turns and their replies: one at a time, from its opening until it was heard or cut short."""

import asyncio
from collections.abc import AsyncIterator, Callable

import structlog

from visavis.avatar.base import Phase
from visavis.conversation import playout as mouth
from visavis.conversation import reply
from visavis.conversation.announcer import Announcer
from visavis.conversation.dialogue import Dialogue
from visavis.conversation.exchange import to_remember
from visavis.conversation.listener import Listener
from visavis.conversation.playout import Playout, PlayoutEvent
from visavis.conversation.speaker import Speaker
from visavis.conversation.streams import closing
from visavis.conversation.tool_calls import ToolCalls
from visavis.conversation.transcriber import Transcriber
from visavis.conversation.turn import Turn
from visavis.events import (
    AgentSaid,
    AgentStartedSpeaking,
    AgentStoppedSpeaking,
    TurnCompleted,
    UserTranscript,
)
from visavis.media import TurnSpeech
from visavis.providers.base import Message, ProviderError
from visavis.rooms import rtvi

log = structlog.stdlib.get_logger("visavis.conversation")

Fail = Callable[[ProviderError], None]


class Turns:
    """What a turn goes through, whoever began it. ``on_free`` is called when one has closed."""

    def __init__(
        self,
        listener: Listener,
        new_transcriber: Callable[[], Transcriber],
        dialogue: Dialogue,
        speaker: Speaker,
        announcer: Announcer,
        fail: Fail,
        tools: ToolCalls,
        interruptible: bool,
        on_free: Callable[[], None],
    ) -> None:
        self._listener = listener
        self._new_transcriber = new_transcriber
        self._dialogue = dialogue
        self._speaker = speaker
        self._announcer = announcer
        self._fail = fail
        self._tools = tools
        self._news: list[Message] = []
        """What tools answered after their turns, not told yet."""
        self._interruptible = interruptible
        self._turn: Turn | None = None
        self._on_free = on_free
        self._last_id = 0
        self._closed = False

    def attach(self, playout: Playout, tasks: asyncio.TaskGroup) -> None:
        """What can only exist once the session runs."""
        self._playout = playout
        self._tasks = tasks

    # -- what was heard of it

    def on_playout(self, event: PlayoutEvent) -> None:
        turn = self._turn
        if turn is None or turn.id != event.turn_id:
            return
        match event:
            case mouth.SpeechStarted():
                turn.audible = True
                turn.mark("voice_to_voice_ms", event.at_us)
                self._listener.guard(agent_speaks=True)
                self._announcer.publish(AgentStartedSpeaking(turn.id))
            case mouth.WordHeard():
                turn.heard.append(event.text)
                self._announcer.publish(AgentSaid(turn.id, event.text))
            case mouth.SpeechFinished():
                self._playout.set_phase(Phase.IDLE)
                self._complete(turn, interrupted=False)

    def _approve(self, turn: Turn) -> None:
        if turn.transcriber:
            turn.transcriber.close()
        self._announcer.publish(UserTranscript(turn.id, turn.user_text, final=True))
        self._playout.set_phase(Phase.THINKING)
        turn.approved.set()

    # -- a reply

    def _begin_answer(self, turn: Turn, *, voiced: bool = True) -> None:
        self._dialogue.learn(self._news)
        self._news.clear()
        if voiced:
            speech = reply.answer(turn, self._dialogue, self._tools, self._speaker)
            self._begin_reply(turn, speech)
        else:
            turn.reply = self._tasks.create_task(self._write(turn))

    def _begin_reply(self, turn: Turn, speech: AsyncIterator[TurnSpeech]) -> None:
        turn.reply = self._tasks.create_task(self._play(turn, speech))

    async def _play(self, turn: Turn, speech: AsyncIterator[TurnSpeech]) -> None:
        """Play a reply once it is approved; until then at most its first piece is made."""
        try:
            async with closing(speech):
                async for piece in speech:
                    await turn.approved.wait()
                    await self._playout.play(piece)
            await turn.approved.wait()
            self._playout.finish(turn.id)
        except ProviderError as error:
            await turn.approved.wait()
            self._fail(error)

    async def _write(self, turn: Turn) -> None:
        """Answer in writing."""
        try:
            async with closing(reply.write(turn, self._dialogue, self._tools)) as sentences:
                async for sentence in sentences:
                    turn.heard.append(sentence)
                    self._announcer.send(
                        rtvi.bot_output(
                            sentence, spoken=False, aggregated_by="sentence", segment_id=turn.id
                        )
                    )
            turn.reply = None  # it is this task, which is not to be cancelled
            self._playout.set_phase(Phase.IDLE)
            self._complete(turn, interrupted=False)
        except ProviderError as error:
            self._fail(error)

    # -- turns

    def _open_turn(self) -> Turn:
        self._last_id += 1
        video = self._playout.video
        self._turn = Turn(self._last_id, video.frames_sent, video.frames_dropped)
        self._turn.interruptible = self._interruptible
        return self._turn

    def _abandon(self, turn: Turn) -> None:
        """A turn without a reply: noise, or speech that something else cut short."""
        turn.drop_reply()
        if turn.transcriber:
            turn.transcriber.close()
        self._close_turn(turn)

    def _complete(self, turn: Turn, *, interrupted: bool) -> None:
        said = " ".join(turn.heard if interrupted else turn.written)
        turn.drop_reply()
        self._tools.turn_over(turn, interrupted=interrupted)
        self._listener.guard(agent_speaks=False)
        if turn.remembered:
            exchange = to_remember(turn.rounds)
            self._dialogue.remember(turn.user_text, turn.answer_in(said), exchange)
            self.reread()
        if turn.audible:
            self._announcer.publish(AgentStoppedSpeaking(turn.id, interrupted))
        video = self._playout.video
        self._announcer.publish(
            TurnCompleted(
                turn.id,
                turn.user_text,
                said,
                interrupted,
                turn.timings,
                video.frames_sent - turn.frames_sent,
                video.frames_dropped - turn.frames_dropped,
            )
        )
        self._close_turn(turn)

    def reread(self) -> None:
        """Let the model read what has changed before it is needed again."""
        self._tasks.create_task(self._reread())

    async def _reread(self) -> None:
        try:
            await self._dialogue.prefill()
        except ProviderError as error:
            log.warning("prefill_failed", code=error.code)  # the next reply tells, if it lasts

    def _close_turn(self, turn: Turn) -> None:
        turn.over.set()
        if turn is self._turn:
            self._turn = None
            self._on_free()
