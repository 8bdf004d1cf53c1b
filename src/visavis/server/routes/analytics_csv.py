"""Analytics as tables: one row per session, interval, agent or tool."""

from collections.abc import AsyncIterator, Mapping, Sequence

from fastapi.responses import Response

from visavis.events import EndReason
from visavis.records.analytics import LAYERS, Percentiles, Tally, ToolFigures, Totals, costs
from visavis.records.csv_rows import Cell, csv_text, flat
from visavis.server.paging import iso
from visavis.server.services import Services
from visavis.settings import Settings
from visavis.storage import analytics as store
from visavis.storage.analytics import Scope, SessionFacts

CSV = "text/csv; charset=utf-8"
TOOL_COLUMNS = tuple(
    flat(
        ToolFigures(
            name="",
            calls=0,
            succeeded=0,
            failed=0,
            success_rate=None,
            took_ms=Percentiles(count=0, p50=None, p90=None, p95=None, p99=None),
        )
    )
)
_NESTED = {"tools", "end_reasons"}
_TOTALS_COLUMNS = (
    *flat(Tally({}).totals(), leave_out=_NESTED),
    *(f"end_reasons.{reason}" for reason in EndReason),
)
_SESSION_COLUMNS = (
    "session_id",
    "agent_id",
    "agent_name",
    "agent_version",
    "created_at",
    "joined_at",
    "ended_at",
    "end_reason",
    "minutes",
    "turns",
    "interruptions",
    "errors",
    "voice_to_voice_median_ms",
    "llm_first_token_median_ms",
    "estimated_cost",
)


def totals_row(totals: Totals, key: Mapping[str, Cell]) -> dict[str, Cell]:
    """Totals as one row behind the cells of ``key``. Tools have a table of their own."""
    ends = {f"end_reasons.{reason}": totals.end_reasons.get(reason, 0) for reason in EndReason}
    return {**key, **flat(totals, leave_out=_NESTED), **ends}


def table(rows: Sequence[Mapping[str, Cell]], columns: Sequence[str] | None = None) -> Response:
    """A CSV file. Without ``columns``, rows are of ``totals_row``."""
    if columns is None:
        keys = [name for name in (rows[0] if rows else ()) if name not in _TOTALS_COLUMNS]
        columns = (*keys, *_TOTALS_COLUMNS)
    return Response(csv_text(columns, rows, header=True), media_type=CSV)


async def session_lines(services: Services, scope: Scope) -> AsyncIterator[str]:
    """The table of all sessions, piece by piece, each read in a short transaction of its own."""
    rates = default_rates(services.settings)
    yield csv_text(_SESSION_COLUMNS, (), header=True)
    after: tuple[int, str] | None = None
    while True:
        async with services.database.read() as session:
            page = await store.session_page(session, scope, after)
        if not page:
            return
        rows = [_session_row(facts, rates) for facts in page]
        yield csv_text(_SESSION_COLUMNS, rows, header=False)
        after = (page[-1].created_at, page[-1].id)


def default_rates(settings: Settings) -> dict[str, float]:
    """Cost per minute by layer, for agents that name none of their own."""
    return {layer: getattr(settings, f"{layer}_cost_per_minute") for layer in LAYERS}


def _session_row(facts: SessionFacts, rates: Mapping[str, float]) -> dict[str, Cell]:
    cost = sum(costs(facts.duration_ms, facts.rates, rates).values())
    return {
        "session_id": facts.id,
        "agent_id": facts.agent_id,
        "agent_name": facts.agent_name,
        "agent_version": facts.agent_version,
        "created_at": iso(facts.created_at),
        "joined_at": None if facts.joined_at is None else iso(facts.joined_at),
        "ended_at": None if facts.ended_at is None else iso(facts.ended_at),
        "end_reason": facts.end_reason,
        "minutes": round(facts.duration_ms / 60_000, 3),
        "turns": facts.turns,
        "interruptions": facts.interruptions,
        "errors": facts.errors,
        "voice_to_voice_median_ms": facts.voice_to_voice_median_ms,
        "llm_first_token_median_ms": facts.llm_first_token_median_ms,
        "estimated_cost": round(cost, 6),
    }
