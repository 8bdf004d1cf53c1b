"""A session in numbers, computed once when it ends."""

from collections.abc import Sequence
from statistics import median

from pydantic import BaseModel

from visavis.events import EventRecord, SessionError, TurnCompleted
from visavis.records.transcript import began_ms, stretches, utterances


class Figures(BaseModel):
    """Times in ms. Medians are None when no turn had the figure."""

    duration_ms: int = 0
    turns: int = 0
    interruptions: int = 0
    errors: int = 0
    user_talk_ms: int = 0
    agent_talk_ms: int = 0
    voice_to_voice_median_ms: float | None = None
    llm_first_token_median_ms: float | None = None
    frames_sent: int = 0
    frames_dropped: int = 0


def figures(log: Sequence[EventRecord]) -> Figures:
    """Sum up an event log. A log that never reached the conversation has no duration."""
    turns = [r.event for r in log if isinstance(r.event, TurnCompleted)]
    began = began_ms(log)
    talk = {"user": 0, "agent": 0}
    for utterance in utterances(log) or stretches(log):  # no words at all: none were kept
        talk[utterance.speaker] += utterance.end_ms - utterance.start_ms
    return Figures(
        duration_ms=log[-1].at_ms - began if began is not None else 0,
        turns=len(turns),
        interruptions=sum(turn.interrupted for turn in turns),
        errors=sum(isinstance(r.event, SessionError) for r in log),
        user_talk_ms=talk["user"],
        agent_talk_ms=talk["agent"],
        voice_to_voice_median_ms=_median([t.timings.voice_to_voice_ms for t in turns]),
        llm_first_token_median_ms=_median([t.timings.llm_first_token_ms for t in turns]),
        frames_sent=sum(turn.frames_sent for turn in turns),
        frames_dropped=sum(turn.frames_dropped for turn in turns),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 1) if known else None
