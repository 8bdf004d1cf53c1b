"""What a webhook says stays below 20 kB, whatever was said."""

import json
from typing import Any

import pytest

from visavis.jobs import payloads
from visavis.records.transcript import Utterance
from visavis.storage.tables import SessionRow, ToolCallRow, TurnRow


def row(**changes: Any) -> SessionRow:
    known: dict[str, Any] = {
        "id": "s1",
        "agent_id": "a1",
        "agent_name": "Ava",
        "configuration": {},
        "state": "ended",
        "created_at": 1_795_472_803_000,
        "joined_at": 1_795_472_804_000,
        "ended_at": 1_795_472_805_123,
        "end_reason": "user_left",
        "figures": {"turns": 1},
        "meta": {},
        "recording": None,
    }
    return SessionRow(**{**known, **changes})


def said(count: int, text: str = "Good morning to you.") -> list[Utterance]:
    return [Utterance("user", n, n, n + 1, text) for n in range(count)]


def turns(count: int) -> list[TurnRow]:
    return [
        TurnRow(turn_id=n, completed_at=n, interrupted=False, timings={"voice_to_voice_ms": 1.0})
        for n in range(count)
    ]


def calls(count: int, text: str) -> list[ToolCallRow]:
    return [
        ToolCallRow(
            call_id=f"c{n}",
            turn_id=n,
            tool_id="t",
            name="n",
            arguments=text,
            started_at=n,
            took_ms=1.0,
            ok=True,
            result=text,
        )
        for n in range(count)
    ]


def test_the_shape_is_that_of_standard_webhooks() -> None:
    payload = payloads.session_ended(row())
    assert set(payload) == {"type", "timestamp", "data"}
    assert payload["type"] == "session.ended"
    assert payload["timestamp"] == "2026-11-23T22:26:45.123Z"
    assert json.loads(payloads.encode(payload)) == payload


def test_a_short_transcript_is_whole() -> None:
    data = payloads.transcript_ready(row(), said(3), "https://x")["data"]
    assert len(data["transcript"]) == 3
    assert data["transcript_complete"] is True
    assert data["transcript_url"] == "https://x/v1/session/s1/transcript"


@pytest.mark.parametrize("text", ["Good morning to you.", "Blåbærsyltetøy 🫐 " * 40, "x" * 30_000])
def test_a_long_transcript_is_cut_below_the_limit(text: str) -> None:
    payload = payloads.transcript_ready(row(), said(1000, text), "https://x")
    assert len(payloads.encode(payload)) < payloads.MAX_BYTES
    assert payload["data"]["transcript_complete"] is False
    assert len(payload["data"]["transcript"]) < 1000


def test_everything_at_once_is_cut_below_the_limit() -> None:
    long = row(meta={"note": "m" * 3_900})
    payload = payloads.session_ended_full(
        long, said(500), turns(500), calls(500, "y" * 5_000), "https://x"
    )
    assert len(payloads.encode(payload)) < payloads.MAX_BYTES
    assert payload["data"]["metadata"] == long.meta


def test_large_metadata_is_left_out() -> None:
    assert "metadata" not in payloads.session_ended(row(meta={"x": "y" * 5000}))["data"]
    assert payloads.session_ended(row(meta={"x": 1}))["data"]["metadata"] == {"x": 1}


def test_without_leave_there_are_only_ids_reason_and_times() -> None:
    data = payloads.session_ended_bare(row())["data"]
    assert set(data) == {
        "session_id",
        "agent_id",
        "agent_name",
        "metadata",
        "end_reason",
        "created_at",
        "joined_at",
        "ended_at",
    }


def test_a_recording_is_told_with_its_link() -> None:
    stored = row(recording={"key": "k", "size_bytes": 10, "duration_ms": 20})
    payload = payloads.recording_ready(stored, 1_795_472_805_123, "https://x")
    assert payload["type"] == "recording.ready"
    assert payload["data"]["duration_ms"] == 20
    assert payload["data"]["recording_url"] == "https://x/v1/session/s1/recording"
    assert "key" not in payload["data"]
