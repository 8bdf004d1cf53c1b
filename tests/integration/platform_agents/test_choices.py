"""What exists here: listed for menus, and everything else refused by name."""

from tests.integration.platform_agents.conftest import Desk, problem

ELSEWHERE = "https://llm.example/v1"


async def test_what_exists_here_is_listed(quick_desk: Desk) -> None:
    choices = (await quick_desk.http.get("/v1/providers")).json()
    assert [provider["id"] for provider in choices["llm"]] == ["default", "embedded", "openai"]
    assert choices["llm"][0]["models"] == ["default", "qwen2.5-coder-0.5b-instruct"]
    assert choices["llm"][2] == {
        "id": "openai",
        "models": None,
        "voices": None,
        "needs_custom_url": True,
    }
    assert choices["tts"][0]["voices"] == ["heart", "reed"]
    assert choices["languages"] == ["en"]
    characters = choices["video"][0]["characters"]
    assert [each["id"] for each in characters] == ["ava", "leo", "mara", "otis"]
    character = characters[0]
    picture = await quick_desk.http.get(character["portrait_url"])
    assert picture.headers["content-type"] == "image/webp"


UNKNOWN = [
    ({"llm": {"provider": "google"}}, "llm.provider", ["default", "embedded", "openai"]),
    ({"llm": {"model": "gemini"}}, "llm.model", ["default", "qwen2.5-coder-0.5b-instruct"]),
    ({"stt": {"provider": "deepgram"}}, "stt.provider", ["default", "embedded", "openai"]),
    ({"stt": {"model": "nova-3"}}, "stt.model", ["default", "whisper-tiny.en"]),
    ({"tts": {"voice_id": "21m00Tcm4TlvDq8ikWAM"}}, "tts.voice_id", ["heart", "reed"]),
    ({"video": {"provider": "binary"}}, "video.provider", ["puppet"]),
    ({"video": {"character_id": "0001"}}, "video.character_id", ["ava", "leo", "mara", "otis"]),
    ({"language": "no"}, "language", ["en"]),
    ({"tool_calling": {"selected_tool_ids": ["nope"]}}, "tool_calling.selected_tool_ids", []),
]


async def test_what_does_not_exist_is_refused_with_what_does(quick_desk: Desk) -> None:
    made = await quick_desk.create()
    for configuration, field, allowed in UNKNOWN:
        wanted = {"configuration": configuration}
        for answer in (
            await quick_desk.http.post("/v1/agent", json={"name": "Bo", **wanted}),
            await quick_desk.http.post("/v1/ephemeral-agent", json=wanted),
            await quick_desk.http.patch(f"/v1/agent/{made['id']}", json=wanted),
        ):
            told = problem(answer, 422, "unknown_choice")
            assert (told["field"], told["allowed"]) == (f"configuration.{field}", allowed)
    assert await quick_desk.get(made["id"]) == made


async def test_an_agent_may_bring_its_own_servers(quick_desk: Desk) -> None:
    own = {"provider": "openai", "custom_url": ELSEWHERE, "model": "anything"}
    made = await quick_desk.create(
        configuration={"llm": own, "stt": own, "tts": {**own, "voice_id": "any"}, "language": "no"}
    )
    assert made["configuration"]["language"] == "no"
    for wrong in ({"provider": "openai"}, {"provider": "embedded", "custom_url": ELSEWHERE}):
        body = {"name": "Bo", "configuration": {"llm": wrong}}
        told = problem(await quick_desk.http.post("/v1/agent", json=body), 422, "invalid_request")
        assert told["field"] == "configuration.llm.custom_url"


async def test_no_agent_leads_into_our_own_network(open_desk) -> None:
    desk = await open_desk(outgoing_allow=["127.0.0.1:11434"])
    for url in ("http://127.0.0.1:8080/v1", "http://169.254.169.254/", "http://localhost/v1"):
        for configuration, field in (
            ({"llm": {"provider": "openai", "custom_url": url}}, "llm.custom_url"),
            ({"end_of_conversation": {"callback_url": url}}, "end_of_conversation.callback_url"),
        ):
            body = {"name": "Bo", "configuration": configuration}
            told = problem(await desk.http.post("/v1/agent", json=body), 422, "outgoing_refused")
            assert told["field"] == f"configuration.{field}"
        told = problem(await desk.start("demo", callback_url=url), 422, "outgoing_refused")
        assert told["field"] == "callback_url"
    allowed = {"provider": "openai", "custom_url": "http://127.0.0.1:11434/v1"}
    await desk.create(configuration={"llm": allowed})


async def test_a_server_elsewhere_takes_any_model(open_desk) -> None:
    desk = await open_desk(llm_base_url=ELSEWHERE)
    choices = (await desk.http.get("/v1/providers")).json()
    assert choices["llm"][0] == {
        "id": "default",
        "models": None,
        "voices": None,
        "needs_custom_url": False,
    }
    made = await desk.create(configuration={"llm": {"model": "gpt-5"}})
    assert made["configuration"]["llm"]["model"] == "gpt-5"
    embedded = {"name": "B", "configuration": {"llm": {"provider": "embedded", "model": "gpt-5"}}}
    problem(await desk.http.post("/v1/agent", json=embedded), 422, "unknown_choice")


async def test_an_agent_whose_models_are_gone_does_not_start(open_desk) -> None:
    here = await open_desk(llm_base_url=ELSEWHERE)
    made = await here.create(
        publish_status="private", configuration={"llm": {"provider": "openai", "model": "gpt-5"}}
    )
    moved = await open_desk()  # the same books, other settings
    told = problem(await moved.start(made["id"]), 422, "invalid_request")
    assert told["field"] == "configuration.llm.custom_url"
    assert await moved.session_rows(made["id"]) == 0
