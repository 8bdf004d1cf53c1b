"""What passed between the model and its tools during one turn."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from visavis.providers.base import Message, ToolCall

CANCELLED = "Cancelled before it answered; it may or may not have taken effect."


@dataclass(slots=True, eq=False)
class CallRecord:
    """One call. Until there is an answer, the model would be told that it was cancelled."""

    turn_id: int
    call: ToolCall
    """With an id of ours: models leave it out, or use one twice."""
    is_async: bool
    begun_s: float
    told: str = CANCELLED
    settled: bool = False
    task: asyncio.Task[None] | None = None


@dataclass(slots=True, eq=False)
class Round:
    """The model wrote ``text``, then asked for ``calls`` before it would go on."""

    text: str
    calls: list[CallRecord] = field(default_factory=list[CallRecord])

    def messages(self, *, with_text: bool = True) -> list[Message]:
        """Every call and its answer, so that the model's account is whole at any moment."""
        asked = tuple(record.call for record in self.calls)
        answers = [Message("tool", record.told, (), record.call.id) for record in self.calls]
        return [Message("assistant", self.text if with_text else "", asked), *answers]


def so_far(rounds: Sequence[Round]) -> list[Message]:
    """What the model must see to go on within its turn."""
    return [message for one in rounds for message in one.messages()]


def to_remember(rounds: Sequence[Round]) -> list[Message]:
    """The same once the turn is over: what was said is remembered as it was heard."""
    return [message for one in rounds for message in one.messages(with_text=False)]
