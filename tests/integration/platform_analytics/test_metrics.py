"""``/metrics``, read by Prometheus' own parser."""

from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def _scrape(http: httpx.AsyncClient) -> Samples:
    answer = await http.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=1.0.0")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def _value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def test_sessions_are_counted_from_seat_to_end(open_house: Callable) -> None:
    house = await open_house(workers=1, sessions_per_worker=3)
    reserved = await house.start()
    joined, over = await house.start(), await house.start()
    await house.offer(joined, "tools")
    await house.offer(over, "leave")
    await house.until_ended(over)
    await house.until(joined, lambda record: len(record["tool_calls"]) == 2)
    samples = await _scrape(house.http)
    assert _value(samples, "visavis_sessions_started_total") == 3
    assert _value(samples, "visavis_sessions_joined_total") == 2
    assert _value(samples, "visavis_sessions_ended_total", reason="user_left") == 1
    assert _value(samples, "visavis_sessions", phase="reserved") == 1
    assert _value(samples, "visavis_sessions", phase="joined") == 1
    assert _value(samples, "visavis_turns_total", interrupted="false") == 1
    stage = {"stage": "voice_to_voice"}
    assert _value(samples, "visavis_turn_latency_seconds_sum", **stage) == 0.8
    assert _value(samples, "visavis_turn_latency_seconds_bucket", **stage, le="0.7") == 0
    assert _value(samples, "visavis_turn_latency_seconds_bucket", **stage, le="1.0") == 1
    assert _value(samples, "visavis_tool_call_seconds_count", outcome="ok") == 1
    assert _value(samples, "visavis_slots", state="free") == 1
    assert _value(samples, "visavis_slots", state="taken") == 2
    assert _value(samples, "visavis_ready", part="workers") == 1
    await house.http.post(f"/v1/session/{reserved['sessionId']}/end")
    samples = await _scrape(house.http)
    assert _value(samples, "visavis_sessions", phase="reserved") == 0
    assert _value(samples, "visavis_sessions_ended_total", reason="api_ended") == 1


async def test_requests_are_counted_by_route_never_by_path(open_house: Callable) -> None:
    house = await open_house(workers=1)
    for path in ("/v1/agent/demo", "/v1/agent/nobody", "/wp-admin.php", "/v1/agent/demo"):
        await house.http.get(path)
    await house.http.request("PROPFIND", "/v1/agent")
    samples = await _scrape(house.http)
    count = "visavis_http_request_seconds_count"
    agent = {"method": "GET", "route": "/v1/agent/{agent_id}"}
    assert _value(samples, count, **agent, status="200") == 2
    assert _value(samples, count, **agent, status="404") == 1
    assert _value(samples, count, method="GET", route="other", status="404") == 1
    names = {label for _, labels in samples for label in labels}
    assert ("method", "other") in names
    assert not [value for _, value in names if "nobody" in value or "wp-admin" in value]


async def test_strangers_need_a_key(open_house: Callable) -> None:
    house = await open_house(workers=1)
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    assert (await house.http.get("/metrics", headers=elsewhere)).status_code == 401
    made = await house.http.post("/v1/key", json={"name": "p", "scopes": ["analytics:read"]})
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await house.http.get("/metrics", headers={**elsewhere, **key})).status_code == 200
