"""No event carries words through, also none that is added later."""

from dataclasses import fields
from typing import Any, get_args

import pytest

from visavis.events import EndReason, EventRecord, SessionEvent, SessionState, TurnTimings
from visavis.records.wordless import wordless

EVENTS: tuple[type[Any], ...] = get_args(get_args(SessionEvent)[0])
HARMLESS = {"call_id", "tool_id", "name", "code", "error_code"}
"""Text fields that hold what we or the developer chose, not what was said."""
SAMPLES: dict[object, object] = {
    int: 7,
    float: 1.5,
    bool: True,
    SessionState: SessionState.CONVERSATION,
    EndReason: EndReason.USER_LEFT,
    TurnTimings: TurnTimings(voice_to_voice_ms=800.0),
}


def _sample(kind: type[Any]) -> Any:
    """An event of this kind, with the same word in every text."""
    given = {
        field.name: SAMPLES.get(field.type, "marzipan")
        for field in fields(kind)
        if field.name != "type"
    }
    return kind(**given)


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_keeps_its_numbers_but_no_words(kind: type[Any]) -> None:
    event = _sample(kind)
    record = EventRecord(session_id="s", seq=3, at_ms=4, event=event)
    kept = wordless(record)
    assert (kept.session_id, kept.seq, kept.at_ms) == ("s", 3, 4)
    assert type(kept.event) is kind
    for field in fields(kind):
        before, after = getattr(event, field.name), getattr(kept.event, field.name)
        is_said = before == "marzipan" and field.name not in HARMLESS
        assert after == ("" if is_said else before), field.name


def test_there_is_something_to_empty() -> None:
    assert len(EVENTS) >= 14
