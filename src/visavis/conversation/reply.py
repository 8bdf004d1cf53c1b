"""Where a turn's speech comes from: the model, a given text, or sound made before."""

from collections.abc import AsyncIterator, Sequence

from visavis.conversation import answering
from visavis.conversation.clauses import clauses
from visavis.conversation.dialogue import Dialogue
from visavis.conversation.feelings import Clause
from visavis.conversation.floor import Line
from visavis.conversation.speaker import Resampler, Speaker, with_words
from visavis.conversation.streams import closing, each, noted, once
from visavis.conversation.tool_calls import ToolCalls
from visavis.conversation.turn import Turn
from visavis.media import SpeechChunk, TurnSpeech, now_us


def answer(
    turn: Turn, dialogue: Dialogue, tools: ToolCalls, speaker: Speaker
) -> AsyncIterator[TurnSpeech]:
    """What the model has to say to the turn's user text, clause by clause."""
    return _voiced(turn, clauses(answering.answer(turn, dialogue, tools)), speaker)


async def write(turn: Turn, dialogue: Dialogue, tools: ToolCalls) -> AsyncIterator[str]:
    """The same in writing."""
    text = clauses(answering.answer(turn, dialogue, tools))
    async with closing(noted(text, turn.written)) as sentences:
        async for sentence in sentences:
            if sentence.text:
                yield sentence.text


def recite(turn: Turn, line: Line, speaker: Speaker) -> AsyncIterator[TurnSpeech]:
    """What was written, or even spoken, before."""
    if line.sound is not None:
        return replay(turn, [Resampler().resample(with_words(line.sound))])
    return _voiced(turn, clauses(once(line.text)), speaker)


async def replay(turn: Turn, chunks: Sequence[SpeechChunk]) -> AsyncIterator[TurnSpeech]:
    """Speech that was made before, at ``OUTPUT_RATE``."""
    position_s = 0.0
    for chunk in chunks:
        turn.written.append(chunk.text)
        speech = TurnSpeech(turn.id, position_s, chunk)
        position_s = speech.end_s
        yield speech


def _voiced(turn: Turn, said: AsyncIterator[Clause], speaker: Speaker) -> AsyncIterator[TurnSpeech]:
    said = each(said, lambda: turn.mark("first_clause_ms", now_us()))
    speech = speaker.speak(turn.id, noted(said, turn.written))
    return each(speech, lambda: turn.mark("tts_first_audio_ms", now_us()))
