"""One turn: the user's utterance, the agent's reply, and how long each step took."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Literal

from visavis.conversation.exchange import Round
from visavis.conversation.transcriber import Transcriber
from visavis.events import TurnTimings

Stage = Literal[
    "pause_detected_ms",
    "transcript_ms",
    "turn_decided_ms",
    "llm_first_token_ms",
    "first_clause_ms",
    "tts_first_audio_ms",
    "voice_to_voice_ms",
]


@dataclass(slots=True, eq=False)
class Turn:
    id: int
    frames_sent: int
    """The session's count of video frames when the turn began; likewise ``frames_dropped``."""
    frames_dropped: int
    since_us: int | None = None
    """What timings count from: the user's last voice, or the arrival of typed text."""
    user_text: str = ""
    transcriber: Transcriber | None = None
    user_done: bool = False
    interruptible: bool = True
    """Whether the user may cut the reply short."""
    remembered: bool = True
    """Whether the model learns of it."""
    reply: asyncio.Task[None] | None = None
    approved: asyncio.Event = field(default_factory=asyncio.Event)
    """The reply may be heard: the user is done and this is the answer to what was said."""
    written: list[str] = field(default_factory=list[str])
    heard: list[str] = field(default_factory=list[str])
    rounds: list[Round] = field(default_factory=list[Round])
    """The tools that were called, and what they answered."""
    fillers: list[str] = field(default_factory=list[str])
    """Said while a tool kept everyone waiting; no part of the answer."""
    hangs_up: bool = False
    """The agent ends the call once this was heard."""
    audible: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    timings: TurnTimings = field(default_factory=TurnTimings)

    def mark(self, stage: Stage, at_us: int) -> None:
        """Note when a stage was reached."""
        if self.since_us is not None:
            self.timings = replace(self.timings, **{stage: (at_us - self.since_us) / 1000})

    def mark_once(self, stage: Stage, at_us: int) -> None:
        """Note when a stage was first reached."""
        if getattr(self.timings, stage) is None:
            self.mark(stage, at_us)

    def answer_in(self, said: str) -> str:
        """``said`` without what only filled the silence."""
        for filler in self.fillers:
            said = said.replace(filler, "", 1)
        return " ".join(said.split())

    def drop_reply(self) -> None:
        """Stop the reply and forget what it has written."""
        if self.reply is not None:
            self.reply.cancel()
            self.reply = None
        self.written.clear()
