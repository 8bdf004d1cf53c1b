"""What the model says in a turn: it writes, calls tools, reads what they answer, and goes on."""

from collections.abc import AsyncIterator

from visavis.conversation.dialogue import Dialogue
from visavis.conversation.exchange import so_far
from visavis.conversation.feelings import untagged
from visavis.conversation.streams import closing
from visavis.conversation.tool_calls import ToolCalls
from visavis.conversation.turn import Turn
from visavis.media import now_us
from visavis.providers.base import TextDelta, ToolCall

MAX_ROUNDS = 5
"""How often the model is asked within one turn; the last time it must answer in words."""
_END_OF_CLAUSE = "\n"
"""Makes the voice speak what was written so far: what comes next may take a while."""


async def answer(turn: Turn, dialogue: Dialogue, tools: ToolCalls) -> AsyncIterator[str]:
    """The text of the turn's reply, as it is written.

    It may begin before the turn is approved; tools are not called before.
    """
    for count in range(1, MAX_ROUNDS + 1):
        may_call = count < MAX_ROUNDS and not turn.hangs_up
        calls: list[ToolCall] = []
        written: list[str] = []
        reply = dialogue.reply(turn.user_text, so_far(turn.rounds), may_call=may_call)
        async with closing(reply):
            async for delta in reply:
                turn.mark_once("llm_first_token_ms", now_us())
                if isinstance(delta, TextDelta):
                    written.append(delta.text)
                    yield delta.text
                elif may_call:
                    calls.append(delta)
        if not calls:
            return
        yield _END_OF_CLAUSE
        await turn.approved.wait()
        asked = tools.begin(turn, untagged("".join(written)).strip(), calls)
        async with closing(tools.finished(turn, asked)) as fillers:
            async for filler in fillers:
                yield filler + _END_OF_CLAUSE
        if turn.hangs_up and "".join(written).strip():
            return  # it has said goodbye already
