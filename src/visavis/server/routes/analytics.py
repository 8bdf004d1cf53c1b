"""Analytics over REST: what sessions amounted to, over all, by time, agent and tool.

Everything counts at the time its session was requested. No text of a conversation is read.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from visavis.agents.fields import Id
from visavis.api.analytics import (
    AgentTotals,
    ByAgent,
    ByTool,
    Interval,
    Point,
    Span,
    Summary,
    Timeseries,
)
from visavis.records.analytics import Tally
from visavis.records.csv_rows import flat
from visavis.server.gate.access import AnalyticsRead
from visavis.server.paging import iso
from visavis.server.routes.analytics_csv import (
    CSV,
    TOOL_COLUMNS,
    default_rates,
    session_lines,
    table,
    totals_row,
)
from visavis.server.routes.periods import From, To, intervals, period, unix_ms
from visavis.server.services import Provided, Services
from visavis.storage import analytics as store
from visavis.storage.analytics import Scope

K = TypeVar("K")

router = APIRouter(prefix="/v1/analytics", tags=["analytics"])

Format = Annotated[Literal["json", "csv"], Query(description="csv: a table with the same figures.")]
AgentId = Annotated[Id | None, Query(description="Only this agent's sessions.")]

_CSV_TOO: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}}
}


@router.get("/summary", response_model=Summary, responses=_CSV_TOO)
async def summary(
    services: Provided,
    caller: AnalyticsRead,
    from_: From = None,
    to: To = None,
    agent_id: AgentId = None,
    format: Format = "json",
) -> Response:
    """All sessions of a period in numbers: minutes, turns, latency, tools, errors, cost."""
    scope, span = _scope(*period(from_, to), agent_id)
    tally = (await _tallies(services, scope, {""}, lambda _agent_id, _created_at: ""))[""]
    answer = Summary(**span, totals=tally.totals())
    return table([totals_row(answer.totals, span)]) if format == "csv" else _json(answer)


@router.get("/timeseries", response_model=Timeseries, responses=_CSV_TOO)
async def timeseries(
    services: Provided,
    caller: AnalyticsRead,
    from_: From = None,
    to: To = None,
    agent_id: AgentId = None,
    interval: Annotated[Interval, Query(description="In UTC; weeks begin on Monday.")] = "day",
    format: Format = "json",
) -> Response:
    """The same numbers hour by hour (at most 31 days), day by day, by week or by month."""
    start, end = period(from_, to)
    scope, span = _scope(start, end, agent_id)
    begins = [unix_ms(begin) for begin in intervals(start, end, interval)]
    tallies = await _tallies(
        services, scope, begins, lambda _, created_at: begins[bisect_right(begins, created_at) - 1]
    )
    points = [Point(start=iso(begin), totals=tallies[begin].totals()) for begin in begins]
    if format == "csv":
        return table([totals_row(point.totals, {"start": point.start}) for point in points])
    return _json(Timeseries(**span, interval=interval, points=points))


@router.get("/agents", response_model=ByAgent, responses=_CSV_TOO)
async def agents(
    services: Provided,
    caller: AnalyticsRead,
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=100, description="How many agents at most.")] = 20,
    format: Format = "json",
) -> Response:
    """The same numbers agent by agent, those with the most sessions first."""
    scope, span = _scope(*period(from_, to), None)
    async with services.database.read() as session:
        busiest, count = await store.busiest_agents(session, scope, limit)
    ids = [agent_id for agent_id, _ in busiest]
    chosen = Scope(scope.from_ms, scope.to_ms, tuple(ids))
    tallies = await _tallies(services, chosen, ids, lambda agent_id, _: agent_id)
    data = [
        AgentTotals(agent_id=agent_id, agent_name=name, totals=tallies[agent_id].totals())
        for agent_id, name in busiest
    ]
    if format == "csv":
        named = [{"agent_id": row.agent_id, "agent_name": row.agent_name} for row in data]
        return table([totals_row(row.totals, key) for row, key in zip(data, named, strict=True)])
    return _json(ByAgent(**span, agents=count, data=data))


@router.get("/tools", response_model=ByTool, responses=_CSV_TOO)
async def tools(
    services: Provided,
    caller: AnalyticsRead,
    from_: From = None,
    to: To = None,
    agent_id: AgentId = None,
    format: Format = "json",
) -> Response:
    """Tool by tool: calls, successes and how long they took."""
    scope, span = _scope(*period(from_, to), agent_id)
    tally = (
        await _tallies(services, scope, {""}, lambda _agent_id, _created_at: "", only_tools=True)
    )[""]
    figures = tally.totals().tools
    if format == "csv":
        return table([flat(tool) for tool in figures], TOOL_COLUMNS)
    return _json(ByTool(**span, tools=figures))


@router.get(
    "/sessions.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def sessions_csv(
    services: Provided,
    caller: AnalyticsRead,
    from_: From = None,
    to: To = None,
    agent_id: AgentId = None,
) -> StreamingResponse:
    """One row per session, oldest first, without anything that was said."""
    scope, _ = _scope(*period(from_, to), agent_id)
    await services.sessions.flush()
    headers = {"Content-Disposition": 'attachment; filename="sessions.csv"'}
    return StreamingResponse(session_lines(services, scope), 200, headers, CSV)


def _scope(start: datetime, end: datetime, agent_id: str | None) -> tuple[Scope, dict[str, Any]]:
    """What to read, and how the answer names it."""
    scope = Scope(unix_ms(start), unix_ms(end), None if agent_id is None else (agent_id,))
    return scope, {"from": iso(scope.from_ms), "to": iso(scope.to_ms), "agent_id": agent_id}


async def _tallies(
    services: Services,
    scope: Scope,
    keys: Iterable[K],
    key_of: Callable[[str, int], K],
    *,
    only_tools: bool = False,
) -> Mapping[K, Tally]:
    """Count all rows of the scope under the key that (agent id, creation time) gives."""
    await services.sessions.flush()
    tallies = {key: Tally(default_rates(services.settings)) for key in keys}
    async with services.database.read() as session:
        async for call in store.tool_calls(session, scope):
            tally = tallies[key_of(call.agent_id, call.created_at)]
            tally.add_tool_call(call.name, ok=call.ok, took_ms=call.took_ms)
        if only_tools:
            return tallies
        async for turn in store.turns(session, scope):
            tally = tallies[key_of(turn.agent_id, turn.created_at)]
            tally.add_turn(interrupted=turn.interrupted, timings=turn.timings)
        async for facts in store.sessions(session, scope):
            tallies[key_of(facts.agent_id, facts.created_at)].add_session(
                joined=facts.joined_at is not None,
                end_reason=facts.end_reason,
                duration_ms=facts.duration_ms,
                errors=facts.errors,
                rates=facts.rates,
            )
    return tallies


def _json(answer: Span) -> Response:
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")
