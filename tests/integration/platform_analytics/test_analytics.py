"""Analytics over REST, on both databases, asked through the typed client."""

import csv
import io
from datetime import UTC, datetime

import httpx
import pytest

from tests.integration.platform_analytics.conftest import Books
from visavis.client import ApiError, AsyncClient
from visavis.events import EndReason

NOVEMBER = {"from_": datetime(2026, 11, 1, tzinfo=UTC), "to": datetime(2026, 12, 1, tzinfo=UTC)}


async def _some_sessions(books: Books) -> None:
    await books.add(
        "2026-11-02T10:00",
        minutes=3,
        turns=[(False, 800), (True, 1200)],
        tools=[("weather", True, 50), ("weather", False, 70), ("book", None, None)],
        errors=1,
    )
    await books.add("2026-11-02T23:59", minutes=1, turns=[(False, 1000)], rates={"llm": 1.0})
    await books.add("2026-11-04T00:00", joined=False, reason=EndReason.NEVER_JOINED)
    await books.add("2026-11-05T00:00", agent_id="other", agent_name="=Eva", reason=None)
    await books.add("2026-10-31T23:59", minutes=60, turns=[(True, 9000)])  # before
    await books.add("2026-12-01T00:00", minutes=60, turns=[(True, 9000)])  # after


async def test_summary_counts_what_was_requested_in_the_period(books: Books) -> None:
    await _some_sessions(books)
    async with AsyncClient(books.url) as client:
        totals = (await client.analytics.summary(**NOVEMBER)).totals
    assert (totals.sessions, totals.sessions_joined, totals.sessions_ended) == (4, 3, 3)
    assert totals.minutes == 4
    assert (totals.turns, totals.turns_interrupted, totals.errors) == (3, 1, 1)
    assert totals.interruption_rate == pytest.approx(1 / 3, abs=1e-4)
    assert totals.end_reasons == {EndReason.USER_LEFT: 2, EndReason.NEVER_JOINED: 1}
    latency = totals.latency_ms["voice_to_voice_ms"]
    assert latency.count == 3
    assert latency.p50 == pytest.approx(1000, rel=0.006)
    assert latency.p99 == pytest.approx(1200, rel=0.006)
    assert totals.latency_ms["llm_first_token_ms"].p50 is None


async def test_cost_is_the_agents_rate_else_the_servers(books: Books) -> None:
    await _some_sessions(books)
    async with AsyncClient(books.url) as client:
        cost = (await client.analytics.summary(**NOVEMBER)).totals.estimated_cost
    assert cost.llm == pytest.approx(3 * 0.01 + 1 * 1.0)
    assert cost.tts == pytest.approx(4 * 0.02)
    assert cost.total == pytest.approx(cost.llm + cost.tts)


async def test_tools_tell_success_and_time(books: Books) -> None:
    await _some_sessions(books)
    async with AsyncClient(books.url) as client:
        weather, book = (await client.analytics.tools(**NOVEMBER)).tools
        totals = (await client.analytics.summary(**NOVEMBER)).totals
    assert (weather.name, weather.calls, weather.succeeded, weather.failed) == ("weather", 2, 1, 1)
    assert weather.success_rate == 0.5
    assert weather.took_ms.p99 == pytest.approx(70, rel=0.006)
    assert (book.calls, book.success_rate, book.took_ms.count) == (1, None, 0)
    assert (totals.tool_calls, totals.tool_success_rate) == (3, 0.5)
    assert totals.tools == [weather, book]


async def test_one_agent_only(books: Books) -> None:
    await _some_sessions(books)
    async with AsyncClient(books.url) as client:
        assert (await client.analytics.summary(agent_id="other", **NOVEMBER)).totals.sessions == 1
        nobody = (await client.analytics.summary(agent_id="nobody", **NOVEMBER)).totals
    assert (nobody.sessions, nobody.interruption_rate) == (0, None)


async def test_agents_busiest_first(books: Books) -> None:
    await _some_sessions(books)
    async with AsyncClient(books.url) as client:
        everyone = await client.analytics.agents(**NOVEMBER)
        busiest = await client.analytics.agents(limit=1, **NOVEMBER)
    assert [(row.agent_id, row.totals.sessions) for row in everyone.data] == [
        ("demo", 3),
        ("other", 1),
    ]
    assert (busiest.agents, [row.agent_id for row in busiest.data]) == (2, ["demo"])


async def test_timeseries_has_every_interval(books: Books) -> None:
    await _some_sessions(books)
    expected = {
        "day": {"2026-11-02": 2, "2026-11-03": 0, "2026-11-04": 1, "2026-11-05": 1},
        "week": {"2026-11-02": 4},
        "month": {"2026-11-01": 4},
    }
    async with AsyncClient(books.url) as client:
        for interval, sessions in expected.items():
            series = await client.analytics.timeseries(
                interval=interval,
                from_=datetime(2026, 11, 2, 5, tzinfo=UTC),
                to=datetime(2026, 11, 5, 1, tzinfo=UTC),
            )
            found = {point.start: point.totals.sessions for point in series.points}
            assert found == {f"{day}T00:00:00.000Z": count for day, count in sessions.items()}


async def test_by_the_hour(books: Books) -> None:
    await _some_sessions(books)
    async with AsyncClient(books.url) as client:
        series = await client.analytics.timeseries(
            interval="hour",
            from_=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
            to=datetime(2026, 11, 3, tzinfo=UTC),
        )
        with pytest.raises(ApiError) as refused:
            await client.analytics.timeseries(interval="hour", **(NOVEMBER | LONG))
    counts = {point.start[11:13]: point.totals.sessions for point in series.points}
    assert len(counts) == 15
    assert (counts["09"], counts["10"], counts["23"]) == (0, 1, 1)
    assert (refused.value.status, refused.value.members["field"]) == (422, "interval")


LONG = {"from_": datetime(2026, 10, 1, tzinfo=UTC)}


BAD = {
    "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "from",
    "from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z": "from",
    "from=yesterday": "from",
    "from=17": "from",
    "to=2026-13-01T00:00:00Z": "to",
    "agent_id=a%20b": "agent_id",
    "format=xml": "format",
}


async def test_bad_questions_are_refused_by_name(books: Books) -> None:
    async with httpx.AsyncClient(base_url=books.url) as http:
        for query, field in BAD.items():
            answer = await http.get(f"/v1/analytics/summary?{query}")
            assert (answer.status_code, answer.json()["field"]) == (422, field), query


EXTREMES = ("", "from=0001-01-01T00:00:00%2B14:00&to=1970-01-02", "to=9999-12-31T23:59:59-14:00")


async def test_the_ends_of_time_are_no_harm(books: Books) -> None:
    async with httpx.AsyncClient(base_url=books.url) as http:
        for query in EXTREMES:
            for path in ("summary", "timeseries", "agents", "tools", "sessions.csv"):
                answer = await http.get(f"/v1/analytics/{path}?{query}")
                assert answer.status_code == 200, answer.text


async def test_csv_of_sessions_disarms_formulas(books: Books) -> None:
    await _some_sessions(books)
    await books.add("2026-11-06T00:00", agent_name='@SUM(A1),"x"')
    async with AsyncClient(books.url) as client:
        pieces = [piece async for piece in client.analytics.sessions_csv(**NOVEMBER)]
    rows = list(csv.DictReader(io.StringIO(b"".join(pieces).decode(), newline="")))
    assert [row["session_id"] for row in rows] == ["s-1", "s-2", "s-3", "s-4", "s-7"]
    assert [row["agent_name"] for row in rows[-2:]] == ["'=Eva", '\'@SUM(A1),"x"']
    assert (rows[0]["minutes"], rows[0]["turns"], rows[0]["interruptions"]) == ("3.0", "2", "1")
    assert (rows[1]["estimated_cost"], rows[3]["ended_at"]) == ("1.02", "")


async def test_every_figure_as_a_table(books: Books) -> None:
    await _some_sessions(books)
    query = "from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z&format=csv"
    tables: dict[str, list[dict[str, str]]] = {}
    async with httpx.AsyncClient(base_url=books.url) as http:
        for path in ("summary", "timeseries", "agents", "tools"):
            answer = await http.get(f"/v1/analytics/{path}?{query}")
            assert answer.headers["content-type"] == "text/csv; charset=utf-8"
            tables[path] = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    tools = [(row["name"], row["calls"]) for row in tables.pop("tools")]
    assert tools == [("weather", "2"), ("book", "1")]
    for rows in tables.values():
        assert sum(int(row["sessions"]) for row in rows) == 4
        assert sum(int(row["end_reasons.never_joined"]) for row in rows) == 1
        assert "latency_ms.voice_to_voice_ms.p95" in rows[0]


async def test_needs_a_key_with_the_scope(books: Books) -> None:
    async with httpx.AsyncClient(base_url=books.url) as http:
        for path in ("summary", "timeseries", "agents", "tools", "sessions.csv"):
            answer = await http.get(
                f"/v1/analytics/{path}", headers={"X-Forwarded-For": "203.0.113.9"}
            )
            assert (answer.status_code, answer.json()["code"]) == (401, "key_missing")
