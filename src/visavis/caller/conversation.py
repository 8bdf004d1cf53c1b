"""A whole call, from ringing to the files: what ``visavis talk`` and the demo do."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from visavis.caller.call import Call, Exchange, open_call
from visavis.caller.recording import VideoTape, write_clip
from visavis.caller.report import CallReport, TurnReport, captions, turn_report
from visavis.caller.server_api import ServerApi, ServerRefused, ServerUnreachable, StartedSession
from visavis.caller.speech import Utterance
from visavis.caller.witness import CallLost, Witness

_RECORD_S = 3.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    """Something to say; with ``interrupt_after_s`` the next line cuts into the reply to it."""

    utterance: Utterance
    interrupt_after_s: float | None = None


OnTurn = Callable[[TurnReport], None]


async def talk(
    server: str,
    agent_id: str,
    lines: Sequence[Line],
    out: Path,
    *,
    name: str = "call",
    on_turn: OnTurn = lambda turn: None,
) -> CallReport:
    """Call an agent, say the lines, and write ``<name>.mp4``, ``<name>.vtt``, ``report.json``.

    What was seen until then is written even when the call breaks.

    Raises:
        ServerRefused, ServerUnreachable, ConnectError: there was no call.
        TimeoutError: the agent did not get ready.
    """
    video = VideoTape()
    try:
        async with ServerApi(server) as api:
            async with open_call(api, agent_id, video) as call:
                log = CallLog(api, call)
                await log.fill(lines, on_turn)
            record = await log.final_record()
        return await asyncio.to_thread(_write, out, name, log, record)
    finally:
        video.close()


class CallLog:
    """The exchanges of a call as they happen, each with the server's record of it."""

    def __init__(self, api: ServerApi, call: Call) -> None:
        self._api = api
        self.call = call
        self._seen = 0
        self.server = api.server
        self.session: StartedSession = call.session
        self.witness: Witness = call.witness
        self.exchanges: list[Exchange] = []
        self.turns: list[TurnReport] = []
        self.errors: list[str] = []
        self.ended_s = 0.0

    async def fill(self, lines: Sequence[Line], on_turn: OnTurn) -> None:
        """Say the lines and hear the replies; a lost call ends it early, with its reason."""
        try:
            await self.call.hear_greeting()
            cut_in = False
            for line in lines:
                exchange = await self.call.exchange(
                    line.utterance, at_once=cut_in, leave_after_s=line.interrupt_after_s
                )
                cut_in = line.interrupt_after_s is not None
                on_turn(await self._take(exchange))
        except CallLost as error:
            self.errors.append(str(error))
        self.ended_s = time.monotonic()

    async def final_record(self) -> dict[str, Any]:
        """The session as the server keeps it, once it knows why it ended."""
        return await self._record_when(lambda record: record.get("end_reason") is not None)

    async def _take(self, exchange: Exchange) -> TurnReport:
        """An exchange that is cut short is on record only once the next one has begun."""
        wait = exchange.replied_s is not None and not exchange.interrupted_by_us
        record = await self._record_when(lambda now: len(_turns(now)) > self._seen or not wait)
        new, self._seen = _turns(record)[self._seen :], len(_turns(record))
        turn = turn_report(exchange, self.witness, new)
        self.exchanges.append(exchange)
        self.turns.append(turn)
        return turn

    async def _record_when(self, complete: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The session's record, as soon as it is complete or after a moment as it is then."""
        deadline = time.monotonic() + _RECORD_S
        while True:
            try:
                record = await self._api.session(self.session)
            except (ServerRefused, ServerUnreachable):
                return {}  # the report does without the server's part
            if complete(record) or time.monotonic() > deadline:
                return record
            await asyncio.sleep(_POLL_S)


def _turns(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The turns that the user opened: not the greeting."""
    turns: list[dict[str, Any]] = record.get("turns") or []
    return [turn for turn in turns if turn.get("user_text")]


def _write(out: Path, name: str, log: CallLog, record: dict[str, Any]) -> CallReport:
    out.mkdir(parents=True, exist_ok=True)
    witness, errors = log.witness, list(log.errors)
    try:
        tapes = [witness.agent_sound, log.call.own_sound]
        length_s = write_clip(out / f"{name}.mp4", witness.video, tapes, log.ended_s)
    except ValueError as error:
        errors.append(str(error))
        length_s = 0.0
    agent_name = str(record.get("agent_name") or "Agent")
    (out / f"{name}.vtt").write_text(captions(witness, log.exchanges, agent_name), "utf-8")
    if (complaint := witness.last_error()) and complaint not in errors:
        errors.append(complaint)
    report = CallReport(
        server=log.server,
        agent_name=agent_name,
        session_id=log.session.session_id,
        web_link=log.session.web_link,
        length_s=round(length_s, 2),
        turns=log.turns,
        end_reason=record.get("end_reason"),
        errors=errors,
    )
    text = json.dumps(asdict(report), indent=2, ensure_ascii=False)
    (out / "report.json").write_text(text + "\n", "utf-8")
    return report
