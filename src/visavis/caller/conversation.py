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
from visavis.caller.server_api import ServerApi, ServerRefused, ServerUnreachable
from visavis.caller.speech import Utterance
from visavis.caller.witness import CallLost

_TURN_RECORD_S = 3.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    """Something to say; ``interrupt_after_s`` cuts into its reply with the next line."""

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
    """
    video = VideoTape()
    try:
        async with ServerApi(server) as api, open_call(api, agent_id, video) as call:
            log = _Log(api, call)
            try:
                await call.hear_greeting()
                await log.new_turns(wait=False)
                for number, line in enumerate(lines):
                    cut = number > 0 and lines[number - 1].interrupt_after_s is not None
                    exchange = await call.exchange(
                        line.utterance, at_once=cut, leave_after_s=line.interrupt_after_s
                    )
                    on_turn(await log.take(exchange))
            except CallLost as error:
                log.errors.append(str(error))
            ended_s = time.monotonic()
        return await asyncio.to_thread(_write, out, name, log, ended_s, agent_id, server)
    finally:
        video.close()


class _Log:
    """Turns as they come, each with the server's record of it."""

    def __init__(self, api: ServerApi, call: Call) -> None:
        self._api = api
        self._seen = 0
        self.call = call
        self.exchanges: list[Exchange] = []
        self.turns: list[TurnReport] = []
        self.errors: list[str] = []

    async def take(self, exchange: Exchange) -> TurnReport:
        replied = exchange.replied_s is not None and not exchange.interrupted_by_us
        turn = turn_report(exchange, self.call.witness, await self.new_turns(wait=replied))
        self.exchanges.append(exchange)
        self.turns.append(turn)
        return turn

    async def new_turns(self, *, wait: bool) -> list[dict[str, Any]]:
        """Turns the server has completed since the last time; waits a moment for the first."""
        deadline = time.monotonic() + _TURN_RECORD_S
        while True:
            turns: list[dict[str, Any]] = (await self._record()).get("turns") or []
            if len(turns) > self._seen or not wait or time.monotonic() > deadline:
                new, self._seen = turns[self._seen :], len(turns)
                return new
            await asyncio.sleep(_POLL_S)

    async def _record(self) -> dict[str, Any]:
        try:
            return await self._api.session(self.call.session)
        except (ServerRefused, ServerUnreachable):
            return {}  # the report does without the server's part


def _write(
    out: Path, name: str, log: _Log, ended_s: float, agent_id: str, server: str
) -> CallReport:
    out.mkdir(parents=True, exist_ok=True)
    witness, session = log.call.witness, log.call.session
    tapes = [witness.agent_sound, log.call.own_sound]
    try:
        length_s = write_clip(out / f"{name}.mp4", witness.video, tapes, ended_s)
    except ValueError as error:
        log.errors.append(str(error))
        length_s = 0.0
    (out / f"{name}.vtt").write_text(captions(witness, log.exchanges, agent_id.capitalize()))
    errors = [*log.errors]
    if (said := witness.last_error()) and said not in errors:
        errors.append(said)
    report = CallReport(
        server=server,
        agent_id=agent_id,
        session_id=session.session_id,
        web_link=session.web_link,
        length_s=round(length_s, 2),
        turns=log.turns,
        errors=errors,
    )
    (out / "report.json").write_text(
        json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n"
    )
    return report
