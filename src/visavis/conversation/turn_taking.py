"""Who has the floor. Joins what the user does with what the agent says, turn by turn.

All methods run on the event loop and none of them waits, so no two of them overlap; what takes
time (transcribing, replying) runs in tasks that belong to a turn and die with it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import structlog

from visavis.avatar.base import Phase
from visavis.conversation import listener as ear
from visavis.conversation import playout as mouth
from visavis.conversation import reply
from visavis.conversation.announcer import Announcer
from visavis.conversation.dialogue import Dialogue
from visavis.conversation.exchange import to_remember
from visavis.conversation.floor import Line, Queue, Typed
from visavis.conversation.listener import Listener, UtteranceEvent
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
    TurnTimings,
    UserStartedSpeaking,
    UserStoppedSpeaking,
    UserTranscript,
)
from visavis.media import SpeechChunk, TurnSpeech, now_us
from visavis.providers.base import Message, ProviderError, Transcript
from visavis.rooms import rtvi

log = structlog.stdlib.get_logger("visavis.conversation")

Fail = Callable[[ProviderError], None]


class TurnTaking:
    def __init__(
        self,
        listener: Listener,
        new_transcriber: Callable[[], Transcriber],
        dialogue: Dialogue,
        speaker: Speaker,
        announcer: Announcer,
        fail: Fail,
        tools: ToolCalls,
        *,
        interruptible: bool = True,
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
        self._waiting = Queue()
        self._turn: Turn | None = None
        self._hearing: Turn | None = None
        """The turn that the current utterance belongs to."""
        self._last_id = 0
        self._closed = False

    def attach(self, playout: Playout, tasks: asyncio.TaskGroup) -> None:
        """What can only exist once the session runs."""
        self._playout = playout
        self._tasks = tasks

    # -- what the user does

    def on_utterance(self, event: UtteranceEvent) -> None:
        if self._closed:
            return
        if self._floor_is_held:
            self._waiting.hold(event)
            return
        match event:
            case ear.UtteranceStarted():
                self._begin_utterance(event)
            case _ if self._hearing is None or self._hearing.transcriber is None:
                return
            case ear.UtteranceAudio():
                self._hearing.transcriber.hear(event.chunk)
            case ear.UtterancePaused():
                self._pause(self._hearing, self._hearing.transcriber, event)
            case ear.UtteranceResumed():
                self._withdraw(self._hearing)
            case ear.UtteranceEnded():
                self._end_utterance(self._hearing, event)

    def type_text(self, text: str, *, voiced: bool = True) -> None:
        """The user typed: answer at once, aloud or (not ``voiced``) in writing."""
        if self._closed:
            return
        if self._floor_is_held:
            self._waiting.hold(Typed(text, voiced))
            return
        self.interrupt()
        turn = self._open_turn()
        turn.since_us = now_us()
        turn.user_text = text
        turn.user_done = True
        self._begin_answer(turn, voiced=voiced)
        self._approve(turn)

    def stop(self, *, by_user: bool = False) -> bool:
        """Be silent now, and forget what was to be said next; whether that was allowed."""
        if self._closed or (by_user and self._floor_is_held):
            return False
        self._waiting.drop_lines()
        self.interrupt()
        return True

    def interrupt(self) -> bool:
        """Stop the agent, or whatever the user was about to say; whether speech was cut."""
        turn, self._hearing = self._turn, None
        if turn is None:
            return False
        self._playout.set_phase(Phase.IDLE)
        if not turn.approved.is_set():
            self._abandon(turn)
            return False
        self._playout.interrupt(turn.id)  # reports the last words that were heard
        if turn.over.is_set():
            return False
        if not turn.remembered:  # whoever has words put into our mouth wants the rest gone, too
            self._waiting.drop_lines(echoes_only=True)
        self._complete(turn, interrupted=True)
        return turn.audible

    # -- what the agent says unasked

    def greet(self, text: str, *, interruptible: bool = True) -> None:
        """Say ``text`` unless someone already speaks."""
        if self._turn is None and not self._closed and text:
            self._utter(Line(text), interruptible)

    def say(self, line: Line, *, at_once: bool) -> None:
        """Say a line over everything else, or (not ``at_once``) when nobody speaks."""
        if self._closed:
            line.begun()
        elif at_once:
            self.stop()
            self._utter(line, self._interruptible)
        elif self._turn is not None or self._waiting:
            self._waiting.add(line)
        else:
            self._utter(line, self._interruptible)

    def _utter(self, line: Line, interruptible: bool) -> None:
        turn = self._open_turn()
        turn.user_done = True
        turn.interruptible = interruptible
        turn.remembered = line.remembered
        self._begin_reply(turn, reply.recite(turn, line, self._speaker))
        turn.approved.set()
        line.begun()

    def tell(self, exchange: Sequence[Message]) -> None:
        """A tool has answered late: tell the user when nobody speaks, or in the next reply."""
        self._news += exchange
        self._give_floor()

    def _tell_news(self) -> None:
        turn = self._open_turn()
        turn.user_done = True
        self._begin_answer(turn)
        self._playout.set_phase(Phase.THINKING)
        turn.approved.set()

    async def say_last(self, speech: Sequence[SpeechChunk]) -> None:
        """Say prepared speech over everything else, listen no more, return when it was heard."""
        self.interrupt()
        self._closed = True
        turn = self._open_turn()
        turn.approved.set()
        self._begin_reply(turn, reply.replay(turn, speech))
        await turn.over.wait()

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

    # -- an utterance, from its first sound to its answer

    def _begin_utterance(self, event: ear.UtteranceStarted) -> None:
        turn = self._turn
        if turn and _goes_on(turn):
            turn.user_done = False
            self._withdraw(turn)
            self._playout.set_phase(Phase.LISTENING)
        else:
            turn = self._open_spoken_turn()
        self._hearing = turn
        assert turn.transcriber is not None
        for chunk in event.audio:
            turn.transcriber.hear(chunk)

    def _open_spoken_turn(self) -> Turn:
        cut = self.interrupt()
        self._playout.set_phase(Phase.INTERRUPTED if cut else Phase.LISTENING)
        turn = self._open_turn()
        turn.transcriber = self._new_transcriber()
        self._tasks.create_task(self._transcribe(turn, turn.transcriber))
        self._announcer.publish(UserStartedSpeaking(turn.id))
        return turn

    def _pause(self, turn: Turn, transcriber: Transcriber, event: ear.UtterancePaused) -> None:
        turn.since_us = event.last_voiced_us
        turn.timings = TurnTimings()
        turn.mark("pause_detected_ms", event.at_us)
        transcriber.pause()
        self._playout.set_phase(Phase.LISTENING)

    def _withdraw(self, turn: Turn) -> None:
        """The user goes on: the answer that was being prepared is dropped unseen."""
        turn.drop_reply()
        turn.user_text = ""

    def _end_utterance(self, turn: Turn, event: ear.UtteranceEnded) -> None:
        turn.user_done = True
        turn.mark("turn_decided_ms", event.at_us)
        self._hearing = None
        self._announcer.publish(UserStoppedSpeaking(turn.id))
        self._playout.set_phase(Phase.THINKING)
        if turn.transcriber and turn.transcriber.current:
            self._answer(turn)

    async def _transcribe(self, turn: Turn, transcriber: Transcriber) -> None:
        try:
            await transcriber.run(lambda transcript: self._on_transcript(turn, transcript))
        except ProviderError as error:
            if turn is self._turn:
                self._fail(error)

    def _on_transcript(self, turn: Turn, transcript: Transcript) -> None:
        if turn is not self._turn or self._closed:
            return
        text = transcript.text.strip()
        settled = transcript.final and turn.transcriber is not None and turn.transcriber.current
        if settled:
            turn.mark("transcript_ms", now_us())
            turn.user_text = text
            turn.drop_reply()
            if text:
                self._begin_answer(turn)
        if settled and turn.user_done:
            self._answer(turn)
        elif text:
            self._announcer.publish(UserTranscript(turn.id, text, final=False))

    def _answer(self, turn: Turn) -> None:
        """The user is done and the transcript is there."""
        if turn.user_text:
            self._approve(turn)
        else:
            self._announcer.publish(UserTranscript(turn.id, "", final=True))
            self._abandon(turn)
            self._playout.set_phase(Phase.IDLE)

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
            self._complete(turn, interrupted=False)
        except ProviderError as error:
            self._fail(error)

    # -- who is next

    @property
    def _floor_is_held(self) -> bool:
        """Whether the agent speaks, or is about to, and must not be interrupted."""
        turn = self._turn
        return turn is not None and not turn.interruptible and turn.approved.is_set()

    def _give_floor(self) -> None:
        """Nobody speaks: the user who had to wait comes first, then what was to be said."""
        if self._turn is not None or self._closed:
            return
        for event in self._waiting.held():
            if isinstance(event, Typed):
                self.type_text(event.text, voiced=event.voiced)
            else:
                self.on_utterance(event)
        if self._turn is None and (line := self._waiting.next_line()):
            self._utter(line, self._interruptible)
        if self._turn is None and self._news:
            self._tell_news()

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
            if self._waiting or self._news:
                # Not now: the caller may be about to open the next turn itself.
                asyncio.get_running_loop().call_soon(self._give_floor)


def _goes_on(turn: Turn) -> bool:
    """Whether speech now belongs to this turn: the user seemed done, but has no answer yet."""
    unanswered = turn.user_done and not turn.approved.is_set()
    return unanswered and turn.transcriber is not None and not turn.transcriber.full
