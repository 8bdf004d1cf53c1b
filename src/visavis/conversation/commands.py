"""What a running conversation can be told from outside, and the inbox in which that waits."""

import asyncio
from typing import Annotated, Literal

from pydantic import BaseModel, Field

MAX_WAITING = 32
"""Commands that may wait for their conversation to serve them."""


class Say(BaseModel):
    """Say exactly ``text``, remembered as the agent's own words.

    ``interrupt``: at once, whoever speaks; else when nobody does.
    """

    type: Literal["say"] = "say"
    text: str
    interrupt: bool = True


class Echo(BaseModel):
    """Say ``text``, or play and lip-sync ``audio``, and forget it: the model never learns of it."""

    type: Literal["echo"] = "echo"
    text: str = ""
    audio: str = ""
    """Base64 of mono signed 16-bit little-endian samples."""
    sample_rate: int = 24_000
    interrupt: bool = True


class Respond(BaseModel):
    """Answer ``text`` as if the user had typed it."""

    type: Literal["respond"] = "respond"
    text: str


class AddContext(BaseModel):
    """Something the model should know from now on; nothing is said to it."""

    type: Literal["context"] = "context"
    text: str
    role: Literal["system", "user"] = "system"


class Interrupt(BaseModel):
    """Stop talking, and forget what was waiting to be said."""

    type: Literal["interrupt"] = "interrupt"
    by_user: bool = False
    """The user asks: an agent that users may not interrupt goes on."""


class Update(BaseModel):
    """Change what is not None, from the next turn on."""

    type: Literal["update"] = "update"
    system_prompt: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    voice_id: str | None = None
    language: str | None = None
    max_duration_seconds: int | None = None


Command = Annotated[
    Say | Echo | Respond | AddContext | Interrupt | Update, Field(discriminator="type")
]


class InboxFull(Exception):
    """Too many commands wait already."""


class Inbox:
    """Commands for one conversation, in order.

    A command counts until it is ``served``: one whose speech waits for the floor still does.
    """

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        self._commands: asyncio.Queue[Command] = asyncio.Queue(2 * limit)
        self._unserved = 0

    def put(self, command: Command) -> None:
        """Raises ``InboxFull``. Interrupting always has room: it is what makes room."""
        limit = 2 * self._limit if isinstance(command, Interrupt) else self._limit
        if self._unserved >= limit:
            raise InboxFull
        self._unserved += 1
        self._commands.put_nowait(command)

    async def get(self) -> Command:
        return await self._commands.get()

    def served(self) -> None:
        """One command less waits."""
        self._unserved -= 1
