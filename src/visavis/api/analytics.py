"""Analytics on the wire."""

from typing import Literal

from pydantic import BaseModel, Field

from visavis.records.analytics import ToolFigures, Totals

Interval = Literal["hour", "day", "week", "month"]


class Span(BaseModel):
    """Which sessions were counted: those requested from ``from`` on and before ``to``."""

    from_: str = Field(alias="from", serialization_alias="from")
    to: str
    agent_id: str | None

    model_config = {"populate_by_name": True}


class Summary(Span):
    """All of them in numbers."""

    totals: Totals


class Point(BaseModel):
    """The sessions requested in one interval, which begins at ``start`` (UTC)."""

    start: str
    totals: Totals


class Timeseries(Span):
    """Interval by interval, oldest first; those without sessions are there, too."""

    interval: Interval
    points: list[Point]


class AgentTotals(BaseModel):
    """``agent_name`` is the latest that its sessions had."""

    agent_id: str
    agent_name: str
    totals: Totals


class ByAgent(Span):
    """Most sessions first. ``agents`` is how many there are, beyond those listed, too."""

    agents: int
    data: list[AgentTotals]


class ByTool(Span):
    """Most called first, at most 100."""

    tools: list[ToolFigures]
