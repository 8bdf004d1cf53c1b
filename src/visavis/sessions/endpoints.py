"""Which server hears, thinks and speaks for an agent: the embedded model host, or another."""

from dataclasses import dataclass

from pydantic import SecretStr

from visavis.agents.schema import AgentConfiguration
from visavis.providers.base import Endpoint
from visavis.settings import Settings

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Endpoints:
    stt: Endpoint
    llm: Endpoint
    tts: Endpoint


def needs_host(settings: Settings) -> bool:
    """Whether any of the three is left to the embedded model host."""
    return None in (settings.stt_base_url, settings.llm_base_url, settings.tts_base_url)


def resolve(agent: AgentConfiguration, settings: Settings, host: Endpoint | None) -> Endpoints:
    """The endpoints of one session: the agent's own URL, else the settings', else the host."""
    s = settings
    return Endpoints(
        stt=_pick(agent.stt.custom_url, s.stt_base_url, s.stt_api_key, s.stt_model, host),
        llm=_pick(agent.llm.custom_url, s.llm_base_url, s.llm_api_key, s.llm_model, host),
        tts=_pick(agent.tts.custom_url, s.tts_base_url, s.tts_api_key, s.tts_model, host),
    )


def _pick(
    custom_url: str | None,
    base_url: str | None,
    api_key: SecretStr,
    model: str,
    host: Endpoint | None,
) -> Endpoint:
    if custom_url:  # an agent's own server never sees the settings' key
        return Endpoint(base_url=custom_url, api_key="", model=model)
    if base_url:
        return Endpoint(base_url=base_url, api_key=api_key.get_secret_value(), model=model)
    if host is None:
        raise ValueError("an embedded model is needed, and no model host runs")
    return host
