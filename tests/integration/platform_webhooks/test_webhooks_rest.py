"""Webhooks over REST: receivers, secrets, the log and replay."""

from collections.abc import Callable
from pathlib import Path

import pytest
from standardwebhooks import WebhookVerificationError

from tests.integration.platform_webhooks.receiver import Receiver
from visavis.server.routes import webhooks


async def test_a_webhook_lives_and_its_secret_is_shown_once(
    open_house: Callable, database_url: str
) -> None:
    house, _ = await open_house(database_url)
    made = await house.webhook("https://example.com/hook", "session.ended", "session.ended")
    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["session.ended"]
    assert made["enabled"] is True
    path = f"/v1/webhook/{made['id']}"
    shown = await house.get(path)
    assert "secret" not in shown
    assert {**shown, "secret": made["secret"]} == made
    changed = await house.http.patch(path, json={"description": "CRM", "enabled": False})
    assert (changed.json()["description"], changed.json()["enabled"]) == ("CRM", False)
    second = await house.webhook("https://example.com/two")
    first_page = await house.get("/v1/webhook", limit="1")
    assert [row["id"] for row in first_page["data"]] == [second["id"]]
    rest = await house.get("/v1/webhook", cursor=first_page["next_cursor"])
    assert [row["id"] for row in rest["data"]] == [made["id"]]
    assert rest["next_cursor"] is None
    assert (await house.http.delete(path)).status_code == 204
    for method in ("GET", "DELETE"):
        answer = await house.http.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found")


async def test_there_are_at_most_so_many_webhooks(
    open_house: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert webhooks.MAX_WEBHOOKS == 100
    monkeypatch.setattr(webhooks, "MAX_WEBHOOKS", 2)
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    body = {"url": "https://example.com/hook", "events": ["*"]}
    made = [await house.http.post("/v1/webhook", json=body) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 422]
    assert made[2].json()["code"] == "webhook_limit"
    await house.http.delete(f"/v1/webhook/{made[0].json()['id']}")
    assert (await house.http.post("/v1/webhook", json=body)).status_code == 201


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"url": "http://169.254.169.254/latest"}, "outgoing_refused", "url"),
        ({"url": "http://10.0.0.1/"}, "outgoing_refused", "url"),
        ({"url": "http://localhost:5432/"}, "outgoing_refused", "url"),
        ({"url": "https://user:pass@example.com/"}, "outgoing_refused", "url"),
        ({"url": "ftp://example.com/"}, "invalid_request", "url"),
        ({"url": "https://example.com/", "events": []}, "invalid_request", "events"),
        ({"url": "https://example.com/", "events": ["x"]}, "invalid_request", "events.0"),
        ({"url": "https://example.com/", "secret": "x"}, "invalid_request", "secret"),
        ({}, "invalid_request", "url"),
    ],
)
async def test_what_is_no_webhook_is_refused(
    open_house: Callable, tmp_path: Path, body: dict, code: str, field: str
) -> None:
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}", outgoing_allow=[])
    answer = await house.http.post("/v1/webhook", json=body)
    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["field"]) == (code, field)
    made = await house.webhook("https://example.com/hook")
    if "url" in body:
        path = f"/v1/webhook/{made['id']}"
        assert (await house.http.patch(path, json=body)).json()["code"] == code
        assert (await house.get(path))["url"] == "https://example.com/hook"


async def test_a_url_that_is_no_longer_allowed_is_never_called(
    open_house: Callable, receiver: Receiver, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    house, running = await open_house(url)
    await house.webhook(receiver.url, "session.ended")
    await running.aclose()
    await receiver.up()
    house, _ = await open_house(url, outgoing_allow=[])
    await house.converse()
    (delivery,) = await house.until_tried()
    assert delivery["attempts"][0]["error"].startswith("url_refused")
    assert receiver.messages == []


async def test_a_replaced_secret_signs_on_beside_the_new_one(
    open_house: Callable, receiver: Receiver, tmp_path: Path
) -> None:
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    await receiver.up()
    hook = await house.webhook(receiver.url, "session.ended")
    rotated = (await house.http.post(f"/v1/webhook/{hook['id']}/rotate-secret")).json()
    assert rotated["secret"] != hook["secret"]
    await house.http.post(f"/v1/webhook/{hook['id']}/test")
    (message,) = await receiver.until(1)
    message.verify(rotated["secret"])
    message.verify(hook["secret"])
    with pytest.raises(WebhookVerificationError):
        message.verify("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


async def test_a_delivery_is_replayed_under_a_new_id(
    open_house: Callable, receiver: Receiver, tmp_path: Path
) -> None:
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    await receiver.up()
    hook = await house.webhook(receiver.url, "session.ended")
    session_id = await house.converse()
    (first,) = await receiver.until(1)
    (sent,) = await house.until_settled()
    answer = await house.http.post(f"/v1/delivery/{sent['id']}/replay")
    assert answer.status_code == 201
    assert answer.json()["replay_of"] == sent["id"]
    second = (await receiver.until(2))[1]
    assert second.id == answer.json()["id"] != first.id
    assert second.body == first.body
    second.verify(hook["secret"])
    await house.until_settled()
    assert len(await house.deliveries(session_id=session_id, status="delivered")) == 2
    assert await house.deliveries(session_id="another") == []
    log = await house.get(f"/v1/webhook/{hook['id']}/delivery", limit="1")
    assert log["data"][0]["id"] == second.id
    rest = await house.get(f"/v1/webhook/{hook['id']}/delivery", cursor=log["next_cursor"])
    assert [row["id"] for row in rest["data"]] == [first.id]
    one = await house.get(f"/v1/delivery/{first.id}")
    assert one["attempts"][0]["status_code"] == 200
    for path in ("/v1/delivery/none", "/v1/webhook/none/delivery"):
        assert (await house.http.get(path)).status_code == 404
    assert (await house.http.post("/v1/delivery/none/replay")).status_code == 404


async def test_what_waits_follows_its_webhook(
    open_house: Callable, receiver: Receiver, tmp_path: Path
) -> None:
    """A new URL is used for what waits; deleting the webhook cancels it."""
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    moved = await house.webhook("http://127.0.0.1:9/old", "session.ended")
    deleted = await house.webhook("http://127.0.0.1:9/old", "session.ended")
    await house.converse()
    await house.until_tried()
    await receiver.up()
    await house.http.patch(f"/v1/webhook/{moved['id']}", json={"url": receiver.url})
    await house.http.delete(f"/v1/webhook/{deleted['id']}")
    (message,) = await receiver.until(1)
    message.verify(moved["secret"])
    statuses = {d["webhook_id"]: d["status"] for d in await house.until_settled()}
    assert statuses == {moved["id"]: "delivered", deleted["id"]: "cancelled"}
    cancelled = (await house.deliveries(status="cancelled"))[0]
    answer = await house.http.post(f"/v1/delivery/{cancelled['id']}/replay")
    assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found")
