"""Which server hears, thinks and speaks for an agent: the embedded model host, or another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

from visavis.agents.schema import AgentConfiguration, LlmConfig, SttConfig, TtsConfig
from visavis.providers.base import Endpoint
from visavis.settings import Settings

DEFAULT = "default"
EMBEDDED = "embedded"
OPENAI = "openai"

Layer = LlmConfig | SttConfig | TtsConfig


@dataclass(frozen=True, slots=True)
class Endpoints:
    stt: Endpoint
    llm: Endpoint
    tts: Endpoint
    reference_tts: Endpoint | None = None
    """The embedded voice, to time another by; only where the model host runs anyway."""


def needs_host(settings: Settings) -> bool:
    """Whether any of the three is left to the embedded model host."""
    return None in (settings.stt_base_url, settings.llm_base_url, settings.tts_base_url)


def resolve(agent: AgentConfiguration, settings: Settings, host: Endpoint | None) -> Endpoints:
    """The endpoints of one session. ``ValueError`` where one is asked for that is not here."""
    s, allow = settings, settings.outgoing_allow
    tts = vendor_voice(agent.tts, s) or _pick(
        agent.tts, s.tts_base_url, s.tts_api_key, s.tts_model, allow, host
    )
    return Endpoints(
        stt=_pick(agent.stt, s.stt_base_url, s.stt_api_key, s.stt_model, allow, host),
        llm=_pick(agent.llm, s.llm_base_url, s.llm_api_key, s.llm_model, allow, host),
        tts=tts,
        reference_tts=None if tts.embedded else host,
    )


def vendor_voice(tts: TtsConfig, settings: Settings) -> Endpoint | None:
    """The voice of a vendor that the settings hold a key for; None for any other provider."""
    if tts.provider not in vendors(settings):
        return None
    kind, url, key, model = _vendors(settings)[tts.provider]
    named = model if tts.model == DEFAULT else tts.model
    return Endpoint(kind=kind, base_url=url, api_key=key.get_secret_value(), model=named)


def vendors(settings: Settings) -> list[str]:
    """The vendors whose voices can be had here: those with a key in the settings."""
    known = _vendors(settings)
    return [name for name, (_, url, key, _) in known.items() if url and key.get_secret_value()]


def _vendors(
    s: Settings,
) -> dict[str, tuple[Literal["elevenlabs", "cartesia", "azure"], str, SecretStr, str]]:
    return {
        "elevenlabs": ("elevenlabs", s.elevenlabs_url, s.elevenlabs_api_key, "eleven_flash_v2_5"),
        "cartesia": ("cartesia", s.cartesia_url, s.cartesia_api_key, "sonic-3"),
        "azure": ("azure", s.azure_speech_url, s.azure_speech_key, "neural"),
    }


def route(layer: Layer, base_url: str | None) -> Literal["agent", "settings", "host"]:
    """Whose server a layer uses: its own URL's, else the settings', else the embedded host."""
    if layer.provider == EMBEDDED:
        return "host"
    if layer.custom_url:
        return "agent"
    return "settings" if base_url or layer.provider == OPENAI else "host"


def _pick(
    layer: Layer,
    base_url: str | None,
    api_key: SecretStr,
    model: str,
    allow: Sequence[str],
    host: Endpoint | None,
) -> Endpoint:
    """A server that an agent brings gets no key of ours, and is not to lead into our network."""
    named = model if layer.model == DEFAULT else layer.model
    where = route(layer, base_url)
    if where == "agent" and layer.custom_url:
        return Endpoint(
            base_url=layer.custom_url, api_key="", model=named, outgoing_allow=tuple(allow)
        )
    if where == "settings" and base_url:
        return Endpoint(base_url=base_url, api_key=api_key.get_secret_value(), model=named)
    if where == "host" and host is not None:
        return host.model_copy(update={"model": layer.model})
    if where == "host":
        raise ValueError("an embedded model is needed, and no model host runs")
    raise ValueError("another server's model is needed, and the settings name no server")
