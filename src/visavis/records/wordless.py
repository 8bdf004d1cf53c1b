"""An event without what was said: what remains of a session that keeps no words."""

from dataclasses import replace

from visavis.events import (
    AgentSaid,
    EventRecord,
    SessionError,
    ToolCallFinished,
    ToolCallStarted,
    TurnCompleted,
    UserTranscript,
)


def wordless(record: EventRecord) -> EventRecord:
    """``record`` with every text of a conversation emptied; times, counts and names stay."""
    event = record.event
    match event:
        case UserTranscript() | AgentSaid():
            event = replace(event, text="")
        case TurnCompleted():
            event = replace(event, user_text="", agent_text="")
        case ToolCallStarted():
            event = replace(event, arguments="")
        case ToolCallFinished():
            event = replace(event, result="")
        case SessionError():  # a provider's message may quote what it was sent
            event = replace(event, message="")
        case _:
            return record
    return record.model_copy(update={"event": event})
