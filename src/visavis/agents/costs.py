"""What a minute of an agent costs: its own rates, else the server's.

Answers show the server's rate where an agent has none. Such an answer may come back as a change,
so a rate equal to the server's is stored as none: the agent goes on following the server.
"""

from visavis.agents.schema import AgentConfiguration
from visavis.settings import Settings


def with_house_rates(configuration: AgentConfiguration, settings: Settings) -> AgentConfiguration:
    """For answers and estimates: every layer has a rate, per minute."""
    own = {name: getattr(configuration, name).cost_per_minute for name in _rates(settings)}
    filled = {name: rate for name, rate in _rates(settings).items() if own[name] is None}
    return _with(configuration, dict(filled))


def without_house_rates(
    configuration: AgentConfiguration, settings: Settings
) -> AgentConfiguration:
    """For storing: a rate that only repeats the server's is left out."""
    repeated = {
        name: None
        for name, rate in _rates(settings).items()
        if getattr(configuration, name).cost_per_minute == rate
    }
    return _with(configuration, dict(repeated))


def _rates(settings: Settings) -> dict[str, float]:
    return {
        "llm": settings.llm_cost_per_minute,
        "stt": settings.stt_cost_per_minute,
        "tts": settings.tts_cost_per_minute,
        "video": settings.video_cost_per_minute,
    }


def _with(configuration: AgentConfiguration, rates: dict[str, float | None]) -> AgentConfiguration:
    layers = {
        name: getattr(configuration, name).model_copy(update={"cost_per_minute": rate})
        for name, rate in rates.items()
    }
    return configuration.model_copy(update=layers)
