"""What a model provider must do. Implementations live beside this file.

Every call has its own time-out, can be cancelled at any await, and raises only ``ProviderError``.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel

from visavis.media import AudioChunk, SpeechChunk


class Endpoint(BaseModel):
    """A model server: mostly an OpenAI-compatible one, whose ``base_url`` ends in ``/v1``.

    ``embedded``: our own model host. ``outgoing_allow``: for a server that an agent brought, which
    is called only through the guard, with these exceptions; None for one that is trusted.
    """

    kind: Literal["openai", "elevenlabs", "cartesia", "azure"] = "openai"
    base_url: str
    api_key: str
    model: str
    embedded: bool = False
    outgoing_allow: tuple[str, ...] | None = None


class ProviderError(Exception):
    """A model could not do its work. ``retryable`` tells whether trying again may help."""

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Flush:
    """In an audio stream: decode everything since the stream began, now. More may follow."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said since the stream began. ``final`` answers a ``Flush``."""

    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str
    """JSON, as the model wrote it."""


@dataclass(frozen=True, slots=True)
class Message:
    """``tool_calls`` are an assistant's; a "tool" message answers one of them by its id."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool offered to the model; ``parameters`` is a JSON Schema."""

    name: str
    description: str
    parameters: dict[str, object]


class SpeechToText(Protocol):
    def stream(
        self, audio: AsyncIterator[AudioChunk | Flush], *, language: str | None
    ) -> AsyncIterator[Transcript]:
        """One user utterance. Yields partials when it can and, in order, a final per ``Flush``."""
        ...


class LanguageModel(Protocol):
    def reply(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncIterator[TextDelta | ToolCall]:
        """Stream a reply. Closing the iterator stops the model.

        ``may_call=False``: the tools stay in the prompt, but the answer must be in words.
        """
        ...

    async def prefill(self, messages: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> None:
        """Bring a prompt prefix into the model's cache, where it has one; cheap otherwise."""
        ...


class TextToSpeech(Protocol):
    def speak(self, text: AsyncIterator[str], *, voice: str) -> AsyncIterator[SpeechChunk]:
        """Speak clauses as they arrive; chunks come in order, with times when known."""
        ...
