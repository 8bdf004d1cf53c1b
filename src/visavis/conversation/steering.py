"""Obeys the commands that reach a running conversation from outside."""

import base64
from collections.abc import Callable

import numpy as np

from visavis.conversation.commands import (
    AddContext,
    Command,
    Echo,
    Inbox,
    Interrupt,
    Respond,
    Say,
    Update,
)
from visavis.conversation.dialogue import Dialogue
from visavis.conversation.floor import Line
from visavis.conversation.turn_taking import TurnTaking
from visavis.media import SpeechChunk


class Steering:
    """``run`` obeys until cancelled. ``update`` is called for what the session itself keeps."""

    def __init__(
        self,
        inbox: Inbox,
        turns: TurnTaking,
        dialogue: Dialogue,
        update: Callable[[Update], None],
    ) -> None:
        self._inbox = inbox
        self._turns = turns
        self._dialogue = dialogue
        self._update = update

    async def run(self) -> None:
        while True:
            self._obey(await self._inbox.get())

    def _obey(self, command: Command) -> None:
        if isinstance(command, Say | Echo):  # served once it is being said
            self._turns.say(self._line(command), at_once=command.interrupt)
            return
        match command:
            case Respond(text=text):
                self._turns.type_text(text)
            case AddContext(text=text, role="system"):
                self._dialogue.note(text)
                self._turns.reread()
            case AddContext(text=text):
                self._dialogue.remember(text, "")
                self._turns.reread()
            case Interrupt(by_user=by_user):
                self._turns.stop(by_user=by_user)
            case Update():
                self._update(command)
                self._turns.reread()
        self._inbox.served()

    def _line(self, command: Say | Echo) -> Line:
        begun = self._inbox.served
        if isinstance(command, Say):
            return Line(command.text, begun=begun)
        if not command.audio:
            return Line(command.text, remembered=False, begun=begun)
        samples = base64.b64decode(command.audio)
        pcm = np.frombuffer(samples[: len(samples) // 2 * 2], "<i2").astype(np.int16)
        sound = SpeechChunk(pcm, command.sample_rate, command.text)
        return Line(sound=sound, remembered=False, begun=begun)
