"""What is told arrives, once, whatever the receiver does."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.platform_webhooks.receiver import Receiver
from visavis.jobs import deliveries as deliveries_module
from visavis.jobs.schedule import Schedule
from visavis.storage import sessions
from visavis.storage import webhooks as store

EVENTS = Counter(["session.started", "tool.called", "session.ended", "transcript.ready"])


def lose_jobs(folder: Path) -> None:
    for file in folder.glob("jobs.db*"):
        file.unlink()


async def test_every_event_is_told_once_and_verified(
    open_house: Callable, receiver: Receiver, database_url: str
) -> None:
    house, _ = await open_house(database_url)
    await receiver.up()
    hook = await house.webhook(receiver.url)
    session_id = await house.converse()
    messages = await receiver.until(4)
    settled = await house.until_settled()
    assert Counter(message.type for message in messages) == EVENTS
    assert len({message.id for message in receiver.messages}) == len(receiver.messages) == 4
    for message in messages:
        message.verify(hook["secret"])
        assert message.data["session_id"] == session_id
        assert len(message.body) < 20_000
    assert {d["id"] for d in settled} == {message.id for message in messages}
    assert all(d["status"] == "delivered" and len(d["attempts"]) == 1 for d in settled)
    told = {message.type: message.data for message in messages}
    assert [line["text"] for line in told["transcript.ready"]["transcript"]] == [
        "What is the weather like?",
        "It is sunny.",
    ]
    assert told["session.ended"]["end_reason"] == "api_ended"
    assert told["session.ended"]["figures"]["turns"] == 1
    assert told["tool.called"]["name"] == "get_weather"
    assert told["tool.called"]["arguments"] == '{"city":"Oslo"}'
    assert told["tool.called"]["ok"] is True


async def test_a_receiver_that_was_down_gets_every_event_once(
    open_house: Callable, receiver: Receiver, database_url: str
) -> None:
    house, _ = await open_house(database_url)
    hook = await house.webhook(receiver.url)
    await house.converse()
    for delivery in await house.until_tried():
        assert delivery["status"] == "pending"
        assert delivery["next_attempt_at"] is not None
        assert delivery["attempts"][0]["error"].startswith("unreachable")
    await receiver.up()
    messages = await receiver.until(4)
    await house.until_settled()
    assert Counter(message.type for message in receiver.messages) == EVENTS
    for message in messages:
        message.verify(hook["secret"])


async def test_failures_are_tried_again_with_the_same_id(
    open_house: Callable,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries_module, "TIMEOUT_S", 0.3)
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    await receiver.up()
    receiver.statuses = [500, 302, "hang", 204]
    hook = await house.webhook(receiver.url, "session.ended")
    await house.converse()
    messages = await receiver.until(4)
    (delivery,) = await house.until_settled()
    assert {message.id for message in messages} == {delivery["id"]}
    assert len({message.body for message in messages}) == 1
    for message in messages:
        message.verify(hook["secret"])
    assert delivery["status"] == "delivered"
    assert [a["status_code"] for a in delivery["attempts"]] == [500, 302, None, 204]
    assert [a["number"] for a in delivery["attempts"]] == [1, 2, 3, 4]
    errors = [(a["error"] or "").partition(":")[0] for a in delivery["attempts"]]
    assert errors == ["http_error", "redirected", "timeout", ""]


@pytest.mark.parametrize(("status", "waits"), [(503, True), (429, True), (500, False)])
async def test_a_receiver_that_asks_for_time_gets_it(
    open_house: Callable, receiver: Receiver, tmp_path: Path, status: int, waits: bool
) -> None:
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}", Schedule((60.0,), jitter=0))
    await receiver.up()
    receiver.statuses, receiver.headers = [status], ["Retry-After: 7200"]
    await house.webhook(receiver.url, "session.ended")
    await house.converse()
    (delivery,) = await house.until_tried()
    tried_at, next_at = delivery["attempts"][0]["at"], delivery["next_attempt_at"]
    wait_s = (datetime.fromisoformat(next_at) - datetime.fromisoformat(tried_at)).total_seconds()
    assert (wait_s >= 7200) is waits
    assert wait_s < 7300


async def test_after_the_last_attempt_it_failed(
    open_house: Callable, receiver: Receiver, tmp_path: Path
) -> None:
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}", Schedule((0.1,)))
    await receiver.up()
    receiver.statuses = [500, 500]
    await house.webhook(receiver.url, "session.ended")
    await house.converse()
    (delivery,) = await house.until_settled()
    assert delivery["status"] == "failed"
    assert delivery["next_attempt_at"] is None
    assert len(receiver.messages) == 2


async def test_gone_disables_the_webhook_and_cancels_the_rest(
    open_house: Callable, receiver: Receiver, database_url: str
) -> None:
    house, _ = await open_house(database_url, Schedule((3600.0,)))
    hook = await house.webhook(receiver.url, "session.started", "session.ended")
    await house.converse()  # the receiver is down: both wait for an hour
    await house.until_tried()
    await receiver.up()
    receiver.statuses = [410]
    await house.http.post(f"/v1/webhook/{hook['id']}/test")
    settled = await house.until_settled()
    assert {d["event_type"]: d["status"] for d in settled} == {
        "webhook.test": "failed",
        "session.started": "cancelled",
        "session.ended": "cancelled",
    }
    shown = await house.get(f"/v1/webhook/{hook['id']}")
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "gone")
    await house.converse()
    assert len(await house.deliveries()) == 3
    answer = await house.http.patch(f"/v1/webhook/{hook['id']}", json={"enabled": True})
    assert answer.json()["disabled_reason"] is None
    await house.converse()
    assert Counter(m.type for m in await receiver.until(3))["session.ended"] == 1


async def test_what_waits_is_sent_by_the_next_server(
    open_house: Callable, receiver: Receiver, database_url: str
) -> None:
    house, running = await open_house(database_url)
    hook = await house.webhook(receiver.url)
    await house.converse()
    waiting = {d["id"] for d in await house.deliveries()}
    await running.aclose()
    await receiver.up()
    house, _ = await open_house(database_url)
    messages = await receiver.until(4)
    await house.until_settled()
    assert {message.id for message in receiver.messages} == waiting
    assert len(receiver.messages) == 4
    for message in messages:
        message.verify(hook["secret"])


async def test_what_was_committed_but_never_enqueued_is_found(
    open_house: Callable, receiver: Receiver, tmp_path: Path
) -> None:
    house, running = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    hook = await house.webhook(receiver.url)
    async with house.services.database.write() as session:  # and killed before the wake
        payload = {"type": "session.ended", "timestamp": "…", "data": {}}
        store.post(session, receiver.url, payload, webhook_id=hook["id"], session_id=None)
    await running.aclose()
    await receiver.up()
    await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    (message,) = await receiver.until(1)
    message.verify(hook["secret"])


async def test_a_lost_job_database_loses_no_message(
    open_house: Callable, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOST_MS", 0)
    url = f"sqlite:///{tmp_path / 'test.db'}"
    house, running = await open_house(url, Schedule((1.0, 1.0)))
    await house.webhook(receiver.url, "session.ended")
    await house.converse()
    await house.until_tried()
    await running.aclose()
    await asyncio.to_thread(lose_jobs, tmp_path)
    await asyncio.sleep(1.1)  # until the attempt is due
    await receiver.up()
    house, _ = await open_house(url)
    await receiver.until(1)
    (delivery,) = await house.until_settled()
    assert delivery["status"] == "delivered"
    assert [a["number"] for a in delivery["attempts"]] == [1, 2]


async def test_a_stored_recording_is_told(
    open_house: Callable, receiver: Receiver, tmp_path: Path
) -> None:
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    await receiver.up()
    hook = await house.webhook(receiver.url, "recording.ready")
    session_id = await house.converse()
    async with house.services.database.write() as session:
        about = {"key": "recordings/x.mp4", "size_bytes": 1000, "duration_ms": 2000}
        await sessions.keep_recording(session, session_id, about)
        await house.services.outbox.recording_ready(session, session_id)
    house.services.outbox.wake()
    (message,) = await receiver.until(1)
    message.verify(hook["secret"])
    assert message.type == "recording.ready"
    assert message.data["duration_ms"] == 2000
    assert message.data["recording_url"].endswith(f"/v1/session/{session_id}/recording")


async def test_many_messages_arrive_once_each(
    open_house: Callable, receiver: Receiver, tmp_path: Path
) -> None:
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    await receiver.up()
    receiver.statuses = [503] * 10
    hook = await house.webhook(receiver.url)
    sent = [f"/v1/webhook/{hook['id']}/test" for _ in range(60)]
    await asyncio.gather(*(house.http.post(path) for path in sent))
    await receiver.until(70)
    await house.until_settled()
    answered = Counter(message.id for message in receiver.messages)
    assert len(answered) == 60
    assert sum(answered.values()) == 70
