"""A conversation whose users, models and clock a test plays."""

import asyncio
from dataclasses import dataclass, field

import numpy as np

from visavis.conversation.announcer import Announcer
from visavis.conversation.dialogue import Dialogue
from visavis.conversation.fillers import Fillers
from visavis.conversation.listener import (
    UtteranceAudio,
    UtteranceEnded,
    UtterancePaused,
    UtteranceStarted,
)
from visavis.conversation.speaker import Speaker
from visavis.conversation.tool_calls import ToolCalls
from visavis.conversation.transcriber import Transcriber
from visavis.conversation.turn_taking import TurnTaking
from visavis.media import AudioChunk, now_us

CHUNK = AudioChunk(np.zeros(320, np.int16), 0)


class Ear:
    guarded = False

    def guard(self, agent_speaks):
        self.guarded = agent_speaks


@dataclass
class Talk:
    """Everything between the ear and the room."""

    stage: object
    providers: object
    tasks: asyncio.TaskGroup
    log: list = field(default_factory=list)
    failures: list = field(default_factory=list)

    def __post_init__(self):
        self.stt, self.llm, self.tts = (
            self.providers.Stt(),
            self.providers.Llm(),
            self.providers.Tts(),
        )
        self.ear = Ear()
        announcer = Announcer(self.stage.room, self.log.append)
        self.dialogue = Dialogue(self.llm, "S")
        self.tools = ToolCalls(announcer, Fillers("en"))
        self.turns = TurnTaking(
            self.ear,
            lambda: Transcriber(self.stt, "en"),
            self.dialogue,
            Speaker(self.tts, "v"),
            announcer,
            self.failures.append,
            self.tools,
        )
        self.turns.attach(self.stage.playout, self.tasks)
        self.hung_up = []
        self.tools.attach(
            self.tasks,
            self.stage.playout.unheard_s,
            self.turns.tell,
            lambda: self.hung_up.append(True),
        )
        self.stage.report = self.turns.on_playout

    async def settle(self):
        for _ in range(300):
            await asyncio.sleep(0)

    async def hear(self, *events):
        for event in events:
            self.turns.on_utterance(event)
            await self.settle()

    async def start(self):
        await self.hear(UtteranceStarted((CHUNK,)), UtteranceAudio(CHUNK))

    async def pause(self):
        await self.hear(UtterancePaused(now_us() - 130_000, now_us()))

    async def end(self):
        await self.hear(UtteranceEnded(now_us() - 230_000, now_us()))

    async def say(self, text):
        self.stt.texts.append(text)
        await self.start()
        await self.pause()
        await self.end()

    async def play(self, seconds):
        for _ in range(round(seconds * 50)):
            self.stage.tick()
            await asyncio.sleep(0)
        await self.settle()

    def all(self, kind):
        return [event for event in self.log if isinstance(event, kind)]

    @property
    def silent(self):
        return not any(tick.pcm.any() for tick in self.stage.room.heard)
