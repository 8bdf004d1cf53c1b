"""Many sessions in numbers: counts, rates, percentiles and an estimate of what they cost.

Everything is counted while rows stream by, in memory that does not grow with their number.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from pydantic import BaseModel, Field

from visavis.events import EndReason, TurnTimings

STAGES = tuple(stage.name for stage in fields(TurnTimings))
LAYERS = ("llm", "stt", "tts", "video")
_ACCURACY = 0.005
_GAMMA = (1 + _ACCURACY) / (1 - _ACCURACY)
_LOG_GAMMA = math.log(_GAMMA)


class Percentiles(BaseModel):
    """Milliseconds, to half a percent; None where nothing was measured."""

    count: int = Field(description="How many were measured.")
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None


class ToolFigures(BaseModel):
    """Calls of one tool. Calls without a result are in neither ``succeeded`` nor ``failed``."""

    name: str
    calls: int
    succeeded: int
    failed: int
    success_rate: float | None = Field(description="Of those with a result; 0 to 1.")
    took_ms: Percentiles


class EstimatedCost(BaseModel):
    """Minutes times the layers' cost per minute, in whatever unit the rates are configured in."""

    llm: float = 0
    stt: float = 0
    tts: float = 0
    video: float = 0
    total: float = 0


class Totals(BaseModel):
    """Sessions in numbers. Minutes, errors and cost come with a session's end."""

    sessions: int
    sessions_joined: int = Field(description="Those in which a user came to the room.")
    sessions_ended: int
    minutes: float = Field(description="Of conversation, from its begin to its end.")
    turns: int
    turns_interrupted: int
    interruption_rate: float | None = Field(description="Interrupted turns per turn; 0 to 1.")
    errors: int
    end_reasons: dict[EndReason, int]
    latency_ms: dict[str, Percentiles] = Field(
        description="By stage of a turn, counted from the user's last voiced sample."
    )
    tool_calls: int
    tool_success_rate: float | None
    tools: list[ToolFigures] = Field(description="Most called first, at most 100.")
    estimated_cost: EstimatedCost


class Digest:
    """Percentiles of a stream in little memory: counts in buckets that grow by one percent."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0

    def add(self, value: float) -> None:
        bucket = math.ceil(math.log(max(value, 0.01)) / _LOG_GAMMA)
        self._buckets[bucket] += 1
        self.count += 1

    def percentiles(self) -> Percentiles:
        p50, p90, p95, p99 = (self._at(share) for share in (0.5, 0.9, 0.95, 0.99))
        return Percentiles(count=self.count, p50=p50, p90=p90, p95=p95, p99=p99)

    def _at(self, share: float) -> float | None:
        """The smallest value that at least ``share`` of all do not exceed."""
        left = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return round(2 * _GAMMA**bucket / (_GAMMA + 1), 1)
        return None


@dataclass(slots=True)
class _ToolTally:
    calls: int = 0
    succeeded: int = 0
    failed: int = 0
    took_ms: Digest = field(default_factory=Digest)


class Tally:
    """Takes sessions, turns and tool calls one by one; ``totals`` sums them up."""

    def __init__(self, default_rates: Mapping[str, float]) -> None:
        """``default_rates``: cost per minute of a layer whose agent names none."""
        self._rates = default_rates
        self._sessions = self._joined = self._turns = self._interrupted = self._errors = 0
        self._minutes = 0.0
        self._ends: Counter[EndReason] = Counter()
        self._cost: dict[str, float] = {layer: 0.0 for layer in LAYERS}
        self._latency = {stage: Digest() for stage in STAGES}
        self._tools: dict[str, _ToolTally] = {}

    def add_session(
        self,
        *,
        joined: bool,
        end_reason: str | None,
        duration_ms: int,
        errors: int,
        rates: Mapping[str, float | None],
    ) -> None:
        """``rates``: the agent's own cost per minute by layer, where it has one."""
        self._sessions += 1
        self._joined += joined
        self._errors += errors
        if end_reason is not None:
            self._ends[EndReason(end_reason)] += 1
        self._minutes += duration_ms / 60_000
        for layer, cost in costs(duration_ms, rates, self._rates).items():
            self._cost[layer] += cost

    def add_turn(self, *, interrupted: bool, timings: Mapping[str, float | None]) -> None:
        self._turns += 1
        self._interrupted += interrupted
        for stage, digest in self._latency.items():
            taken = timings.get(stage)
            if taken is not None:
                digest.add(taken)

    def add_tool_call(self, name: str, *, ok: bool | None, took_ms: float | None) -> None:
        tool = self._tools.setdefault(name, _ToolTally())
        tool.calls += 1
        tool.succeeded += ok is True
        tool.failed += ok is False
        if took_ms is not None:
            tool.took_ms.add(took_ms)

    def totals(self) -> Totals:
        tools = sorted(self._tools.items(), key=lambda item: (-item[1].calls, item[0]))
        succeeded = sum(tool.succeeded for _, tool in tools)
        cost = {layer: round(value, 6) for layer, value in self._cost.items()}
        return Totals(
            sessions=self._sessions,
            sessions_joined=self._joined,
            sessions_ended=self._ends.total(),
            minutes=round(self._minutes, 3),
            turns=self._turns,
            turns_interrupted=self._interrupted,
            interruption_rate=_share(self._interrupted, self._turns),
            errors=self._errors,
            end_reasons=dict(sorted(self._ends.items())),
            latency_ms={stage: digest.percentiles() for stage, digest in self._latency.items()},
            tool_calls=sum(tool.calls for _, tool in tools),
            tool_success_rate=_share(succeeded, succeeded + sum(tool.failed for _, tool in tools)),
            tools=[_tool_figures(name, tool) for name, tool in tools[:100]],
            estimated_cost=EstimatedCost(**cost, total=round(sum(self._cost.values()), 6)),
        )


def costs(
    duration_ms: int, rates: Mapping[str, float | None], default_rates: Mapping[str, float]
) -> dict[str, float]:
    """What a conversation of this length is estimated to cost, by layer."""
    minutes = duration_ms / 60_000
    chosen = {layer: rates.get(layer) for layer in LAYERS}
    return {
        layer: minutes * (default_rates.get(layer, 0.0) if rate is None else rate)
        for layer, rate in chosen.items()
    }


def _tool_figures(name: str, tool: _ToolTally) -> ToolFigures:
    return ToolFigures(
        name=name,
        calls=tool.calls,
        succeeded=tool.succeeded,
        failed=tool.failed,
        success_rate=_share(tool.succeeded, tool.succeeded + tool.failed),
        took_ms=tool.took_ms.percentiles(),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
