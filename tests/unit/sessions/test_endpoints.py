import pytest
from pydantic import SecretStr

from visavis.agents.demo import DEMO
from visavis.agents.schema import AgentConfiguration, LlmConfig
from visavis.providers.base import Endpoint
from visavis.sessions.endpoints import needs_host, resolve
from visavis.settings import Settings

HOST = Endpoint(base_url="http://127.0.0.1:1/v1", api_key="host", model="default")


def settings(**changes: object) -> Settings:
    return Settings(_env_file=None, **changes)


def test_everything_is_embedded_by_default():
    endpoints = resolve(DEMO.configuration, settings(), HOST)
    assert {endpoints.stt.base_url, endpoints.llm.base_url, endpoints.tts.base_url} == {
        HOST.base_url
    }
    assert needs_host(settings())


def test_settings_send_one_stage_elsewhere():
    config = settings(
        llm_base_url="https://llm.example/v1", llm_api_key=SecretStr("k"), llm_model="big"
    )
    endpoints = resolve(DEMO.configuration, config, HOST)
    assert endpoints.llm == Endpoint(base_url="https://llm.example/v1", api_key="k", model="big")
    assert endpoints.stt == HOST


def test_the_embedded_voice_times_another_where_the_host_runs():
    host = HOST.model_copy(update={"embedded": True})
    elsewhere = settings(tts_base_url="https://tts.example/v1")
    assert resolve(DEMO.configuration, elsewhere, host).reference_tts == host
    assert resolve(DEMO.configuration, settings(), host).reference_tts is None
    nothing_here = settings(**{f"{kind}_base_url": "http://a/v1" for kind in ("stt", "llm", "tts")})
    assert resolve(AgentConfiguration(), nothing_here, None).reference_tts is None


def test_an_agents_own_server_never_sees_our_key():
    agent = AgentConfiguration(llm=LlmConfig(custom_url="https://its.example/v1"))
    config = settings(llm_base_url="https://llm.example/v1", llm_api_key=SecretStr("k"))
    endpoint = resolve(agent, config, HOST).llm
    assert (endpoint.base_url, endpoint.api_key) == ("https://its.example/v1", "")
    assert endpoint.outgoing_allow == ()


def test_the_agents_provider_and_model_decide():
    config = settings(llm_base_url="https://llm.example/v1", llm_model="big")
    named = AgentConfiguration(llm=LlmConfig(model="huge"))
    assert resolve(named, config, HOST).llm.model == "huge"
    embedded = AgentConfiguration(llm=LlmConfig(provider="embedded"))
    assert resolve(embedded, config, HOST).llm == HOST
    openai = AgentConfiguration(llm=LlmConfig(provider="openai"))
    assert resolve(openai, config, HOST).llm.base_url == "https://llm.example/v1"
    with pytest.raises(ValueError, match="settings name no server"):
        resolve(openai, settings(), HOST)


def test_an_embedded_stage_without_a_host_is_a_bug():
    with pytest.raises(ValueError, match="no model host"):
        resolve(DEMO.configuration, settings(), None)


def test_the_demo_agent_is_short_spoken():
    assert len(DEMO.configuration.llm.system_prompt.split()) < 140
    assert len(DEMO.configuration.llm.first_message.split()) < 10
