"""Reads many sessions for their figures, row by row: never a text, never all at once."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from visavis.storage.tables import DeliveryRow, SessionRow, SlotRow, ToolCallRow, TurnRow

BATCH = 500


@dataclass(frozen=True, slots=True)
class Scope:
    """Sessions requested at ``from_ms`` or later and before ``to_ms``; of these agents, or all."""

    from_ms: int
    to_ms: int
    agent_ids: tuple[str, ...] | None = None

    @property
    def holds(self) -> list[ColumnElement[bool]]:
        """The conditions that limit a statement to this scope."""
        conditions = [SessionRow.created_at >= self.from_ms, SessionRow.created_at < self.to_ms]
        if self.agent_ids is not None:
            conditions.append(SessionRow.agent_id.in_(self.agent_ids))
        return conditions


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A session without what was said. ``rates``: its agent's own cost per minute by layer."""

    id: str
    agent_id: str
    agent_name: str
    agent_version: int
    created_at: int
    joined_at: int | None
    ended_at: int | None
    end_reason: str | None
    duration_ms: int
    turns: int
    interruptions: int
    errors: int
    voice_to_voice_median_ms: float | None
    llm_first_token_median_ms: float | None
    rates: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class TurnFacts:
    agent_id: str
    created_at: int
    interrupted: bool
    timings: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class ToolFacts:
    agent_id: str
    created_at: int
    name: str
    ok: bool | None
    took_ms: float | None


async def sessions(session: AsyncSession, scope: Scope) -> AsyncGenerator[SessionFacts]:
    statement = _facts().where(*scope.holds).execution_options(yield_per=BATCH)
    async for batch in (await session.stream(statement)).partitions():
        for row in batch:
            yield _session_facts(row)


async def turns(session: AsyncSession, scope: Scope) -> AsyncGenerator[TurnFacts]:
    statement = select(
        SessionRow.agent_id, SessionRow.created_at, TurnRow.interrupted, TurnRow.timings
    ).join(TurnRow, TurnRow.session_id == SessionRow.id)
    statement = statement.where(*scope.holds).execution_options(yield_per=BATCH)
    async for batch in (await session.stream(statement)).partitions():
        for row in batch:
            yield TurnFacts(*row)


async def tool_calls(session: AsyncSession, scope: Scope) -> AsyncGenerator[ToolFacts]:
    statement = select(
        SessionRow.agent_id,
        SessionRow.created_at,
        ToolCallRow.name,
        ToolCallRow.ok,
        ToolCallRow.took_ms,
    ).join(ToolCallRow, ToolCallRow.session_id == SessionRow.id)
    statement = statement.where(*scope.holds).execution_options(yield_per=BATCH)
    async for batch in (await session.stream(statement)).partitions():
        for row in batch:
            yield ToolFacts(*row)


async def busiest_agents(
    session: AsyncSession, scope: Scope, limit: int
) -> tuple[list[tuple[str, str]], int]:
    """Id and latest name of those with the most sessions, and how many agents there are."""
    count = func.count()
    latest = func.max(SessionRow.created_at).label("latest")
    groups = select(SessionRow.agent_id, latest).where(*scope.holds).group_by(SessionRow.agent_id)
    top = groups.order_by(count.desc(), SessionRow.agent_id).limit(limit)
    total = await session.scalar(select(count).select_from(groups.subquery()))
    agents: list[tuple[str, str]] = []
    for agent_id, requested_ms in (await session.execute(top)).all():
        name = select(SessionRow.agent_name).where(
            SessionRow.agent_id == agent_id, SessionRow.created_at == requested_ms
        )
        agents.append((agent_id, await session.scalar(name.limit(1)) or ""))
    return agents, total or 0


async def session_page(
    session: AsyncSession, scope: Scope, after: tuple[int, str] | None
) -> Sequence[SessionFacts]:
    """The next ``BATCH`` sessions, oldest first, behind this creation time and id."""
    statement = _facts().where(*scope.holds)
    if after is not None:
        statement = statement.where(tuple_(SessionRow.created_at, SessionRow.id) > after)
    statement = statement.order_by(SessionRow.created_at, SessionRow.id).limit(BATCH)
    return [_session_facts(row) for row in (await session.execute(statement)).all()]


def _facts() -> Select[*tuple[Any, ...]]:
    figure = SessionRow.figures
    return select(
        SessionRow.id,
        SessionRow.agent_id,
        SessionRow.agent_name,
        SessionRow.agent_version,
        SessionRow.created_at,
        SessionRow.joined_at,
        SessionRow.ended_at,
        SessionRow.end_reason,
        *(
            func.coalesce(figure[name].as_integer(), 0)
            for name in ("duration_ms", "turns", "interruptions", "errors")
        ),
        figure["voice_to_voice_median_ms"].as_float(),
        figure["llm_first_token_median_ms"].as_float(),
        *(
            SessionRow.configuration[(layer, "cost_per_minute")].as_float()
            for layer in ("llm", "stt", "tts", "video")
        ),
    )


def _session_facts(row: Any) -> SessionFacts:
    *plain, llm, stt, tts, video = row
    return SessionFacts(*plain, rates={"llm": llm, "stt": stt, "tts": tts, "video": video})


async def slots(session: AsyncSession) -> tuple[int, int]:
    """How many seats are free, and how many taken."""
    taken = await session.scalar(select(func.count(SlotRow.session_id)))
    every = await session.scalar(select(func.count()).select_from(SlotRow))
    return (every or 0) - (taken or 0), taken or 0


async def deliveries(session: AsyncSession) -> dict[str, int]:
    """How many webhook messages there are, by status."""
    statement = select(DeliveryRow.status, func.count()).group_by(DeliveryRow.status)
    return {status: count for status, count in (await session.execute(statement)).all()}


@dataclass(frozen=True, slots=True)
class TracedAgent:
    """Who talks in a session, and through which models: by layer, (provider, model)."""

    id: str
    name: str
    layers: dict[str, tuple[str, str]]

    def provider(self, layer: str) -> str:
        return self.layers[layer][0]

    def model(self, layer: str) -> str:
        return self.layers[layer][1]

    def attributes(self, layer: str) -> dict[str, str]:
        """As OpenTelemetry's conventions for generative AI name them."""
        provider, model = self.layers[layer]
        return {"gen_ai.provider.name": provider, "gen_ai.request.model": model}


async def traced(session: AsyncSession, session_id: str) -> TracedAgent | None:
    """The agent of a session."""
    columns = (SessionRow.agent_id, SessionRow.agent_name, SessionRow.configuration)
    row = (await session.execute(select(*columns).where(SessionRow.id == session_id))).first()
    if row is None:
        return None
    agent_id, name, configuration = row
    layers = {
        layer: (str(configuration[layer]["provider"]), str(configuration[layer]["model"]))
        for layer in ("llm", "stt", "tts")
    }
    return TracedAgent(agent_id, name, layers)
