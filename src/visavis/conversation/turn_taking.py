"""Who has the floor. Joins what the user does with what the agent says, turn by turn.

All methods run on the event loop and none of them waits, so no two of them overlap; what takes
time (transcribing, replying) runs in tasks that belong to a turn and die with it.
"""

import asyncio
from collections.abc import Callable, Sequence

from visavis.avatar.base import Phase
from visavis.conversation import listener as ear
from visavis.conversation import reply
from visavis.conversation.announcer import Announcer
from visavis.conversation.dialogue import Dialogue
from visavis.conversation.floor import Line, Queue, Typed
from visavis.conversation.listener import Listener, UtteranceEvent
from visavis.conversation.speaker import Speaker
from visavis.conversation.tool_calls import ToolCalls
from visavis.conversation.transcriber import Transcriber
from visavis.conversation.turn import Turn
from visavis.conversation.turns import Fail, Turns
from visavis.events import (
    TurnTimings,
    UserStartedSpeaking,
    UserStoppedSpeaking,
    UserTranscript,
)
from visavis.media import SpeechChunk, now_us
from visavis.providers.base import Message, ProviderError, Transcript


class TurnTaking(Turns):
    """Decides whose turn it is."""

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
        super().__init__(
            listener,
            new_transcriber,
            dialogue,
            speaker,
            announcer,
            fail,
            tools,
            interruptible,
            self._on_floor_free,
        )
        self._waiting = Queue()
        self._hearing: Turn | None = None
        """The turn that the current utterance belongs to."""

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
                self._playout.set_phase(Phase.LISTENING)
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
        self._playout.user_paused(event.last_voiced_us)

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

    # -- who is next

    @property
    def _floor_is_held(self) -> bool:
        """Whether the agent speaks, or is about to, and must not be interrupted."""
        turn = self._turn
        return turn is not None and not turn.interruptible and turn.approved.is_set()

    def _on_floor_free(self) -> None:
        if self._waiting or self._news:
            # Not now: the caller may be about to open the next turn itself.
            asyncio.get_running_loop().call_soon(self._give_floor)

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


def _goes_on(turn: Turn) -> bool:
    """Whether speech now belongs to this turn: the user seemed done, but has no answer yet."""
    unanswered = turn.user_done and not turn.approved.is_set()
    return unanswered and turn.transcriber is not None and not turn.transcriber.full
