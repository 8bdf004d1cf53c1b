"""The typed client against a whole server: what the server answers is what the client reads."""

import asyncio
from collections.abc import Callable

import pytest

from visavis.agents.schema import AgentConfiguration
from visavis.api.agents import AgentCreate, AgentPatch
from visavis.api.tools import ToolCreate, ToolPatch
from visavis.api.webhooks import WebhookCreate, WebhookPatch
from visavis.client import ApiError, AsyncClient, Client
from visavis.events import AgentSaid, EndReason, SessionEnded

TOOL = ToolCreate(
    name="get_weather", description="Tells the weather.", server_url="https://example.com/weather"
)


async def test_agents_from_making_to_deleting(open_house: Callable) -> None:
    house = await open_house(workers=1)
    async with AsyncClient(house.url) as client:
        made = await client.agents.create(AgentCreate(name="Guide", publish_status="private"))
        patch = AgentPatch(configuration={"llm": {"temperature": 0.9}})
        changed = await client.agents.update(made.id, patch)
        assert (changed.name, changed.version) == ("Guide", 2)
        assert changed.configuration.llm.temperature == 0.9
        back = await client.agents.rollback(made.id, 1)
        assert back.configuration.llm.temperature == made.configuration.llm.temperature
        versions = [version.version async for version in client.agents.iterate_versions(made.id)]
        assert versions == [3, 2, 1]
        assert (await client.agents.version(made.id, 2)).configuration.llm.temperature == 0.9
        copy = await client.agents.duplicate(made.id)
        assert {agent.id async for agent in client.agents.iterate()} >= {made.id, copy.id}
        await client.agents.delete(made.id)
        with pytest.raises(ApiError) as refused:
            await client.agents.get(made.id)
    assert (refused.value.status, refused.value.code) == (404, "agent_not_found")


async def test_an_unknown_choice_is_told_with_what_there_is(open_house: Callable) -> None:
    house = await open_house(workers=1)
    async with AsyncClient(house.url) as client:
        choices = await client.agents.choices()
        characters = [it.id for video in choices.video for it in video.characters]
        agent = AgentCreate(
            name="Guide",
            configuration=AgentConfiguration.model_validate({"video": {"character_id": "mona"}}),
        )
        with pytest.raises(ApiError) as refused:
            await client.agents.create(agent)
    assert (refused.value.status, refused.value.code) == (422, "unknown_choice")
    assert refused.value.members["allowed"] == characters


async def test_iterating_asks_for_page_after_page(open_house: Callable) -> None:
    house = await open_house(workers=1)
    async with AsyncClient(house.url) as client:
        for number in range(5):
            await client.tools.create(TOOL.model_copy(update={"name": f"tool_{number}"}))
        first = await client.tools.list(limit=2)
        second = await client.tools.list(limit=2, cursor=first.next_cursor)
        every = [tool.name async for tool in client.tools.iterate()]
    assert [tool.name for tool in (*first.data, *second.data)] == every[:4]
    assert every == [f"tool_{number}" for number in (4, 3, 2, 1, 0)]


async def test_tools_keep_their_secrets(open_house: Callable) -> None:
    house = await open_house(workers=1)
    async with AsyncClient(house.url) as client:
        tool = ToolCreate.model_validate(
            TOOL.model_dump() | {"auth_config": {"type": "bearer", "token": "hush"}}
        )
        made = await client.tools.create(tool)
        changed = await client.tools.update(made.id, ToolPatch(timeout_seconds=5))
        tested = await client.tools.test(made.id, {}, validate_only=True)
        await client.tools.delete(made.id)
    assert "hush" not in made.model_dump_json()
    assert (changed.timeout_seconds, changed.description) == (5, TOOL.description)
    assert tested.success


async def test_a_key_opens_what_its_scopes_say(open_house: Callable) -> None:
    house = await open_house(workers=1)
    async with AsyncClient(house.url) as home:
        made = await home.keys.create("reader", ["agents:read"])
        async with AsyncClient(house.url, made.key) as reader:
            assert (await reader.keys.me()).scopes == ["agents:read"]
            assert (await reader.agents.get("demo")).name == "Ava"
            with pytest.raises(ApiError) as refused:
                await reader.tools.create(TOOL)
            assert (refused.value.status, refused.value.code) == (403, "scope_missing")
            await home.keys.revoke(made.id)
            with pytest.raises(ApiError) as revoked:
                await reader.keys.me()
            assert revoked.value.code == "key_revoked"
        actions = [entry.action async for entry in home.keys.audit()]
    assert "key.created" in actions


async def test_a_session_followed_live_to_its_end(open_house: Callable) -> None:
    house = await open_house(workers=1)
    async with AsyncClient(house.url) as client:
        started = await client.sessions.start("demo", metadata={"visit": "7"})
        answer = await house.offer({**started.model_dump()}, "stay")
        assert answer.status_code == 200, answer.text
        seen = []
        async with asyncio.timeout(20):
            async for record in client.sessions.events(started.sessionId):
                seen.append(record)
                if isinstance(record.event, AgentSaid):
                    ended = await client.sessions.end(started.sessionId)
        assert ended.end_reason == EndReason.API_ENDED
        assert [record.seq for record in seen] == list(range(len(seen)))
        assert any(isinstance(record.event, SessionEnded) for record in seen)
        rest = client.sessions.events(started.sessionId, after=seen[-2].seq)
        assert [record.seq async for record in rest] == [seen[-1].seq]
        lines = (await client.sessions.transcript(started.sessionId)).lines
        captions = await client.sessions.transcript_text(started.sessionId, "vtt")
        listed = [
            it async for it in client.sessions.iterate(status="ended", metadata=("visit", "7"))
        ]
        assert [it.id for it in listed] == [started.sessionId]
        assert listed[0].metadata == {"visit": "7"}
        await client.sessions.delete(started.sessionId)
        with pytest.raises(ApiError) as refused:
            await client.sessions.get(started.sessionId)
    assert [(line.speaker, line.text) for line in lines] == [
        ("user", "hello there"),
        ("agent", "hi"),
    ]
    assert captions.startswith("WEBVTT")
    assert refused.value.code == "session_not_found"


async def test_the_waiting_client_does_the_same(open_house: Callable) -> None:
    house = await open_house(workers=1)

    def use() -> str:
        with Client(house.url) as client:
            started = client.sessions.start("demo")
            client.sessions.end(started.sessionId)
            kinds = [record.event.type for record in client.sessions.events(started.sessionId)]
            assert "ended" in kinds
            assert client.sessions.get(started.sessionId).end_reason == EndReason.API_ENDED
            return client.agents.get("demo").name

    assert await asyncio.to_thread(use) == "Ava"


async def test_webhooks_from_making_to_replaying(open_house: Callable) -> None:
    house = await open_house(workers=1)
    async with AsyncClient(house.url) as client:
        webhook = WebhookCreate(url="https://example.com/hook", events=["session.ended"])
        made = await client.webhooks.create(webhook)
        changed = await client.webhooks.update(made.id, WebhookPatch(enabled=False))
        assert (changed.enabled, changed.events) == (False, ["session.ended"])
        rotated = await client.webhooks.rotate_secret(made.id)
        assert rotated.secret not in ("", made.secret)
        await client.webhooks.update(made.id, WebhookPatch(enabled=True))
        sent = await client.webhooks.test(made.id)
        assert [it.id async for it in client.webhooks.deliveries(made.id)] == [sent.id]
        again = await client.webhooks.replay(sent.id)
        assert again.replay_of == sent.id
        assert (await client.webhooks.delivery(sent.id)).webhook_id == made.id
        await client.webhooks.delete(made.id)
        assert [it async for it in client.webhooks.iterate()] == []
