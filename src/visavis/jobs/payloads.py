"""What a webhook says: ``{type, timestamp, data}`` as Standard Webhooks has it, below 20 kB.

Times in ``data`` are Unix milliseconds, as in session records. What an agent with zero
retention heard and said is in none of them.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, Literal

from visavis.events import ToolCallFinished
from visavis.records.transcript import Utterance
from visavis.storage.tables import SessionRow, ToolCallRow, TurnRow

Payload = dict[str, Any]
EventType = Literal[
    "session.started", "session.ended", "transcript.ready", "recording.ready", "tool.called"
]

MAX_BYTES = 20_000
METADATA_BYTES = 4_000
TEXT_CHARS = 2_000
"""Of a tool's arguments and result; the session's record has more."""


def message(event_type: str, at_ms: int, data: Payload) -> Payload:
    """The whole payload; ``at_ms`` is when it happened."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {"type": event_type, "timestamp": moment.replace("+00:00", "Z"), "data": data}


def encode(payload: Payload) -> bytes:
    """The body that is sent and signed; the same for every attempt."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def keeps_words(row: SessionRow) -> bool:
    """Whether what was said may be stored and told."""
    return not row.configuration.get("retention", {}).get("zero", False)


def session_started(row: SessionRow, at_ms: int) -> Payload:
    return message("session.started", at_ms, {**_whose(row), "created_at": row.created_at})


def session_ended(row: SessionRow) -> Payload:
    """Why it ended, and the figures."""
    data = {**_whose(row), **_course(row), "figures": row.figures}
    return message("session.ended", row.ended_at or 0, data)


def session_ended_bare(row: SessionRow) -> Payload:
    """For a callback without ``send_data_on_end``: ids, reason and times."""
    return message("session.ended", row.ended_at or 0, {**_whose(row), **_course(row)})


def session_ended_full(
    row: SessionRow,
    said: Sequence[Utterance],
    turns: Sequence[TurnRow],
    calls: Sequence[ToolCallRow],
    base_url: str,
) -> Payload:
    """For a callback with ``send_data_on_end``; what does not fit is to be fetched."""
    payload = session_ended(row)
    words = keeps_words(row)
    payload["data"]["session_url"] = f"{base_url}/v1/session/{row.id}"
    payload["data"]["transcript_url"] = _transcript_url(row, base_url)
    return _filled(
        payload,
        transcript=[_line(one) for one in said] if words else [],
        tool_calls=[_tool_call(call, words=words) for call in calls],
        turns=[_turn(turn) for turn in turns],
    )


def transcript_ready(row: SessionRow, said: Sequence[Utterance], base_url: str) -> Payload:
    data = {**_whose(row), "transcript_url": _transcript_url(row, base_url)}
    payload = message("transcript.ready", row.ended_at or 0, data)
    return _filled(payload, transcript=[_line(one) for one in said])


def recording_ready(row: SessionRow, at_ms: int, base_url: str) -> Payload:
    stored = row.recording or {}
    data = {
        **_whose(row),
        "duration_ms": stored.get("duration_ms"),
        "size_bytes": stored.get("size_bytes"),
        "recording_url": f"{base_url}/v1/session/{row.id}/recording",
    }
    return message("recording.ready", at_ms, data)


def tool_called(row: SessionRow, call: ToolCallRow, event: ToolCallFinished, at_ms: int) -> Payload:
    data = {**_whose(row), **_tool_call(call, words=keeps_words(row))}
    data.update(ok=event.ok, error_code=event.error_code, took_ms=event.took_ms)
    if keeps_words(row):
        data["result"] = event.result[:TEXT_CHARS]
    return message("tool.called", at_ms, data)


def _whose(row: SessionRow) -> Payload:
    whose: Payload = {"session_id": row.id, "agent_id": row.agent_id, "agent_name": row.agent_name}
    if len(encode(row.meta)) <= METADATA_BYTES:
        whose["metadata"] = row.meta
    return whose


def _course(row: SessionRow) -> Payload:
    return {
        "end_reason": row.end_reason,
        "created_at": row.created_at,
        "joined_at": row.joined_at,
        "ended_at": row.ended_at,
    }


def _turn(turn: TurnRow) -> Payload:
    return {
        "turn_id": turn.turn_id,
        "completed_at": turn.completed_at,
        "interrupted": turn.interrupted,
        "timings": turn.timings,
    }


def _tool_call(call: ToolCallRow, *, words: bool) -> Payload:
    told: Payload = {
        "call_id": call.call_id,
        "turn_id": call.turn_id,
        "tool_id": call.tool_id,
        "name": call.name,
        "started_at": call.started_at,
        "took_ms": call.took_ms,
        "ok": call.ok,
        "error_code": call.error_code,
    }
    if words:
        told["arguments"] = call.arguments[:TEXT_CHARS]
        told["result"] = None if call.result is None else call.result[:TEXT_CHARS]
    return told


def _line(one: Utterance) -> Payload:
    return {
        "speaker": one.speaker,
        "text": one.text,
        "start_ms": one.start_ms,
        "end_ms": one.end_ms,
        "interrupted": one.interrupted,
    }


def _transcript_url(row: SessionRow, base_url: str) -> str:
    return f"{base_url}/v1/session/{row.id}/transcript"


def _filled(payload: Payload, **lists: Sequence[Payload]) -> Payload:
    """With as much of each list as fits, first come; ``<name>_complete`` says if that is all."""
    data = payload["data"]
    for name in lists:
        data[name], data[f"{name}_complete"] = [], False
    left = MAX_BYTES - 1 - len(encode(payload))
    for name, items in lists.items():
        sizes = list(accumulate(len(encode(item)) + 1 for item in items))
        fitting = bisect_right(sizes, left)
        data[name] = list(items[:fitting])
        data[f"{name}_complete"] = fitting == len(items)
        left -= sizes[fitting - 1] if fitting else 0
    return payload
