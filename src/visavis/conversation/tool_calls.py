"""Runs the tools that the model calls, and keeps the books on every call."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from visavis.conversation import fillers
from visavis.conversation.announcer import Announcer
from visavis.conversation.exchange import CANCELLED, CallRecord, Round
from visavis.conversation.fillers import Fillers
from visavis.conversation.turn import Turn
from visavis.events import ToolCallFinished, ToolCallStarted
from visavis.providers.base import Message, ToolCall, ToolSpec
from visavis.rooms import rtvi
from visavis.tools.outcome import ToolOutcome

log = structlog.stdlib.get_logger("visavis.conversation")

MAX_CALLS_PER_ROUND = 8
MAX_IN_BACKGROUND = 8
MAX_LOGGED_CHARS = 4000
_MAX_NAME_CHARS = 64

STARTED = "Started. The result comes later; do not guess it. Tell the user, and go on."
_NO_TOOL = "There is no such tool. Answer without it."
_TOO_MANY = "Not called: too many calls are under way."
_FAILED = "The tool failed."
_WENT_ON = " (The call did not end: the user went on talking.)"


@dataclass(frozen=True, slots=True)
class Tool:
    """Something the model may call.

    ``call(turn, call)`` answers within its own time limit. ``on_client``: the user's app runs
    it, and is told what the call says.
    """

    spec: ToolSpec
    call: Callable[[Turn, ToolCall], Awaitable[ToolOutcome]]
    tool_id: str
    is_async: bool = False
    on_client: bool = False


class ToolCalls:
    """One session's calls. Only ``finished`` and the calls themselves wait for anything."""

    def __init__(self, announcer: Announcer, words: Fillers) -> None:
        self._announcer = announcer
        self._fillers = words
        self._tools: dict[str, Tool] = {}
        self._under_way: set[CallRecord] = set()
        self._count = 0

    def attach(
        self,
        tasks: asyncio.TaskGroup,
        unheard_s: Callable[[], float],
        tell: Callable[[Sequence[Message]], None],
        hang_up: Callable[[], None],
    ) -> None:
        """What can only exist once the session runs.

        ``unheard_s`` tells how much speech is still to be heard; ``tell`` takes results that come
        after their turn; ``hang_up`` ends the call.
        """
        self._tasks = tasks
        self._unheard_s = unheard_s
        self._tell = tell
        self._hang_up = hang_up

    def offer(self, tools: Sequence[Tool]) -> None:
        """Let the model call ``tools`` too; a name that is taken stays with its first owner."""
        self._tools = {tool.spec.name: tool for tool in tools} | self._tools

    @property
    def specs(self) -> list[ToolSpec]:
        return [tool.spec for tool in self._tools.values()]

    # -- within a turn

    def begin(self, turn: Turn, text: str, asked: Sequence[ToolCall]) -> Round:
        """Begin what the model ``asked`` for; what is not on offer is never called."""
        records = [self._begin(turn, call) for call in asked[:MAX_CALLS_PER_ROUND]]
        turn.rounds.append(one := Round(text, records))
        return one

    async def finished(self, turn: Turn, one: Round) -> AsyncIterator[str]:
        """Wait for the round's results; yields what to say when the silence gets long."""
        tasks = [record.task for record in one.calls if record.task and not record.is_async]
        for after_s, words in (
            (fillers.FIRST_S, self._fillers.first),
            (fillers.AGAIN_S, self._fillers.again),
        )[len(turn.fillers) :]:
            if not await self._silence(tasks, after_s):
                return
            if filler := words():
                turn.fillers.append(filler)
                yield filler
        if tasks:
            await asyncio.wait(tasks)

    async def _silence(self, tasks: list[asyncio.Task[None]], after_s: float) -> bool:
        """Wait until nothing was heard for ``after_s``; False as soon as the results are there."""
        wait_s = after_s + self._unheard_s()
        while tasks and wait_s > 0:
            _, pending = await asyncio.wait(tasks, timeout=wait_s)
            if not pending:
                return False
            unheard_s = self._unheard_s()
            wait_s = unheard_s + after_s if unheard_s else 0.0
        return bool(tasks)

    def turn_over(self, turn: Turn, *, interrupted: bool) -> None:
        """Cancel what the turn still waits for; calls in the background go on."""
        if turn.hangs_up and not interrupted:
            self._hang_up()
        elif turn.hangs_up and (last := turn.rounds[-1].calls):
            last[-1].told += _WENT_ON
        for record in [one for one in self._under_way if one.turn_id == turn.id]:
            if not record.is_async:
                self._cancel(record, CANCELLED)

    def close(self) -> None:
        """The session is over, and with it every call."""
        for record in list(self._under_way):
            self._cancel(record, "The conversation ended before it answered.")

    # -- one call

    def _begin(self, turn: Turn, asked: ToolCall) -> CallRecord:
        tool = self._tools.get(asked.name)
        record = self._open(turn, asked, tool)
        if tool is None:
            log.warning("unknown_tool_called", name=record.call.name)
            self._settle(record, ToolOutcome(False, _NO_TOOL, "unknown_tool", 0.0))
        elif tool.is_async and self._in_background() >= MAX_IN_BACKGROUND:
            self._settle(record, ToolOutcome(False, _TOO_MANY, "too_many_calls", 0.0))
        else:
            self._under_way.add(record)
            if tool.is_async:
                record.told = STARTED
            record.task = self._tasks.create_task(self._run(turn, tool, record))
        return record

    def _open(self, turn: Turn, asked: ToolCall, tool: Tool | None) -> CallRecord:
        call = ToolCall(self._new_id(), asked.name[:_MAX_NAME_CHARS], asked.arguments)
        is_async = tool is not None and tool.is_async
        self._announcer.publish(
            ToolCallStarted(
                turn.id,
                call.id,
                tool.tool_id if tool else "",
                call.name,
                call.arguments[:MAX_LOGGED_CHARS],
                is_async,
            )
        )
        if tool is not None and not tool.on_client:
            self._announcer.send(rtvi.function_call_in_progress(call.id))
        return CallRecord(turn.id, call, is_async, time.monotonic())

    async def _run(self, turn: Turn, tool: Tool, record: CallRecord) -> None:
        try:
            outcome = await tool.call(turn, record.call)
        except Exception:
            log.exception("tool_crashed", name=record.call.name)
            outcome = ToolOutcome(False, _FAILED, "tool_failed", 0.0)
        if record.settled:
            return
        self._settle(record, outcome)
        if record.is_async:
            self._tell(self._late(record, outcome))

    def _late(self, record: CallRecord, outcome: ToolOutcome) -> list[Message]:
        """A result that comes after its turn, told as a call of its own."""
        call = replace(record.call, id=self._new_id())
        return [Message("assistant", "", (call,)), Message("tool", outcome.text, (), call.id)]

    def _settle(self, record: CallRecord, outcome: ToolOutcome) -> None:
        record.settled = True
        self._under_way.discard(record)
        if not record.is_async or record.task is None:
            record.told = outcome.text
        self._announcer.publish(
            ToolCallFinished(
                record.turn_id,
                record.call.id,
                record.call.name,
                outcome.ok,
                outcome.text[:MAX_LOGGED_CHARS],
                round((time.monotonic() - record.begun_s) * 1000, 1),
                outcome.error_code,
            )
        )

    def _cancel(self, record: CallRecord, why: str) -> None:
        if record.task is not None:
            record.task.cancel()
        self._settle(record, ToolOutcome(False, why, "cancelled", 0.0))

    def _in_background(self) -> int:
        return sum(record.is_async for record in self._under_way)

    def _new_id(self) -> str:
        self._count += 1
        return f"call{self._count:05d}"  # nine letters and digits: some servers insist on it
