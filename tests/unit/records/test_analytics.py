"""Percentiles against exact ones, and tables that spreadsheets may open."""

import csv
import io
import random
import statistics

import pytest

from visavis.records.analytics import STAGES, Digest, Tally, costs
from visavis.records.csv_rows import csv_text, flat


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_are_right_to_half_a_percent(seed: int) -> None:
    chance = random.Random(seed)
    values = [chance.lognormvariate(6.7, 0.6) for _ in range(3000)]
    digest = Digest()
    for value in values:
        digest.add(value)
    found = digest.percentiles()
    exact = statistics.quantiles(values, n=100, method="inclusive")
    for percent in (50, 90, 95, 99):
        assert getattr(found, f"p{percent}") == pytest.approx(exact[percent - 1], rel=0.012)


def test_percentiles_of_few() -> None:
    digest = Digest()
    assert digest.percentiles().p50 is None
    digest.add(800)
    assert digest.percentiles().p50 == pytest.approx(800, rel=0.005)
    assert digest.percentiles().p99 == pytest.approx(800, rel=0.005)
    for _ in range(9):
        digest.add(100)
    assert digest.percentiles().p90 == pytest.approx(100, rel=0.005)
    assert digest.percentiles().p95 == pytest.approx(800, rel=0.005)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-9, 1e12])
def test_no_value_breaks_a_digest(value: float) -> None:
    digest = Digest()
    digest.add(value)
    found = digest.percentiles().p50
    assert found is not None
    assert found == pytest.approx(max(value, 0.0), rel=0.005, abs=0.1)


def test_an_empty_tally_has_every_stage_and_no_rates() -> None:
    totals = Tally({}).totals()
    assert set(totals.latency_ms) == set(STAGES)
    assert (totals.sessions, totals.interruption_rate, totals.tool_success_rate) == (0, None, None)


def test_tools_are_ranked_by_calls() -> None:
    tally = Tally({})
    for name, ok in (("b", True), ("a", False), ("c", None), ("a", True)):
        tally.add_tool_call(name, ok=ok, took_ms=None)
    totals = tally.totals()
    assert [tool.name for tool in totals.tools] == ["a", "b", "c"]
    assert [tool.success_rate for tool in totals.tools] == [0.5, 1.0, None]
    assert totals.tool_success_rate == pytest.approx(2 / 3, abs=1e-4)


def test_a_rate_of_zero_is_a_rate() -> None:
    own = {"llm": 0.0, "stt": None}
    assert costs(120_000, own, {"llm": 5.0, "stt": 0.5}) == {
        "llm": 0,
        "stt": 1.0,
        "tts": 0,
        "video": 0,
    }


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1"])
def test_a_text_that_is_a_formula_is_disarmed(cell: str) -> None:
    text = csv_text(["a", "b"], [{"a": cell, "b": -1}], header=False)
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["'" + cell, "-1"]]


def test_nested_figures_become_columns() -> None:
    row = flat(Tally({}).totals(), leave_out={"tools"})
    assert row["latency_ms.voice_to_voice_ms.p95"] is None
    assert row["estimated_cost.total"] == 0
    assert not [name for name in row if name.startswith("tools")]
