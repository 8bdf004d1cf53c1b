"""An agent's own callback_url: one POST at the end, with as much as was asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.platform_webhooks.receiver import Receiver
from visavis.sessions.live import StartOptions


@pytest.mark.parametrize("full", [True, False])
async def test_the_end_is_told_to_the_agents_callback(
    open_house: Callable, receiver: Receiver, tmp_path: Path, full: bool
) -> None:
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    await receiver.up()
    session_id = await house.converse(
        end_of_conversation={"callback_url": receiver.url, "send_data_on_end": full}
    )
    (message,) = await receiver.until(1)
    (delivery,) = await house.until_settled()
    secret = (await house.get("/v1/webhook/callback-secret"))["secret"]
    message.verify(secret)
    assert delivery["webhook_id"] is None
    assert delivery["session_id"] == session_id
    assert message.type == "session.ended"
    assert message.data["end_reason"] == "api_ended"
    assert message.data["joined_at"] <= message.data["ended_at"]
    words = {"transcript", "turns", "tool_calls", "figures"}
    assert words & set(message.data) == (words if full else set())
    if full:
        assert [line["speaker"] for line in message.data["transcript"]] == ["user", "agent"]
        assert message.data["transcript_complete"] is True
        assert message.data["turns"][0]["turn_id"] == 1
        assert message.data["tool_calls"][0]["result"] == "Sunny."


async def test_a_sessions_own_callback_goes_before_the_agents(
    open_house: Callable, receiver: Receiver, tmp_path: Path
) -> None:
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    await receiver.up()
    await house.converse(
        StartOptions(callback_url=receiver.url, metadata={"order": 7}),
        end_of_conversation={"callback_url": "http://127.0.0.1:9/never"},
    )
    (message,) = await receiver.until(1)
    assert message.data["metadata"] == {"order": 7}
    assert [d["url"] for d in await house.until_settled()] == [receiver.url]


async def test_an_agent_without_retention_tells_no_words(
    open_house: Callable, receiver: Receiver, tmp_path: Path
) -> None:
    house, _ = await open_house(f"sqlite:///{tmp_path / 'test.db'}")
    await receiver.up()
    await house.webhook(receiver.url)
    await house.converse(
        retention={"zero": True},
        end_of_conversation={"callback_url": receiver.url, "send_data_on_end": True},
    )
    messages = await receiver.until(4)
    await house.until_settled()
    assert sorted(message.type for message in messages) == [
        "session.ended",
        "session.ended",
        "session.started",
        "tool.called",
    ]
    for message in messages:
        for word in (b"sunny", b"Sunny", b"weather like", b"Oslo"):
            assert word not in message.body
