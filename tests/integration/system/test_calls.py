"""Whole calls: two at once, and one whose caller vanishes."""

import asyncio
import sqlite3
import sys
from pathlib import Path

import httpx

from tests.integration.system.conftest import Server
from visavis.caller.conversation import Line, talk
from visavis.caller.voices import speak


async def record(server: Server, session_id: str) -> dict:
    async with httpx.AsyncClient(base_url=server.url) as http:
        return (await http.get(f"/v1/session/{session_id}")).json()


async def transcript(server: Server, session_id: str) -> str:
    async with httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.get(f"/v1/session/{session_id}/transcript")
        return " ".join(said["text"] for said in answer.json()["lines"]).lower()


def conversing(server: Server) -> str | None:
    """The id of the session that is in its conversation now, if there is one."""
    with sqlite3.connect(server.database) as database:
        rows = database.execute("select id from sessions where state = 'conversation'").fetchall()
    return rows[0][0] if rows else None


async def test_two_calls_at_once_stay_apart(server: Server, tmp_path: Path) -> None:
    questions = ("What is the capital of France?", "How many days are in a week?")
    async with asyncio.TaskGroup() as calls:
        reports = [
            calls.create_task(talk(server.url, "demo", [Line(speak(text))], tmp_path / str(number)))
            for number, text in enumerate(questions)
        ]
    france, week = [task.result() for task in reports]
    assert france.answered
    assert week.answered
    assert france.session_id != week.session_id
    for report in (france, week):
        assert (await record(server, report.session_id))["end_reason"] == "user_left"
    said = await transcript(server, france.session_id)
    assert "france" in said
    assert "week" not in said
    said = await transcript(server, week.session_id)
    assert "week" in said
    assert "france" not in said


async def test_a_caller_that_vanishes_ends_its_session(server: Server, tmp_path: Path) -> None:
    caller = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "visavis", "talk", "--server", server.url),
        *("--say", "Tell me a very long story.", "--voice", "heart", "--out", str(tmp_path)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        while (session_id := conversing(server)) is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    caller.kill()
    await caller.wait()
    async with asyncio.timeout(15):
        while (seen := await record(server, session_id))["end_reason"] is None:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    assert seen["end_reason"] == "client_lost"
    assert seen["state"] == "ended"
