"""What an agent is: the configuration object, in the shape iwy's callers know."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Layer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LlmConfig(_Layer):
    """``provider`` "embedded" is the local model host; "openai" any OpenAI-compatible server."""

    provider: str = "embedded"
    model: str = "default"
    system_prompt: str = (
        "You are a friendly assistant. Answer in one or two short spoken sentences."
    )
    first_message: str = ""
    custom_url: str | None = None
    temperature: float = Field(default=0.3, ge=0, le=2)
    max_tokens: int = Field(default=120, ge=1, le=4096)


class SttConfig(_Layer):
    """``prompt``: something callers might say, with the names that matter spelt right."""

    provider: str = "embedded"
    model: str = "default"
    custom_url: str | None = None
    prompt: str = Field(default="", max_length=400)


class TtsConfig(_Layer):
    provider: str = "embedded"
    voice_id: str = "heart"
    model: str = "default"
    custom_url: str | None = None


class VideoConfig(_Layer):
    provider: str = "puppet"
    character_id: str = "ava"


class AgentConfiguration(_Layer):
    version: Literal["1.0"] = "1.0"
    llm: LlmConfig = LlmConfig()
    stt: SttConfig = SttConfig()
    tts: TtsConfig = TtsConfig()
    video: VideoConfig = VideoConfig()
    language: str = "en"
    max_duration_seconds: int = Field(default=3600, ge=30, le=86_400)


class Agent(BaseModel):
    id: str
    name: str
    configuration: AgentConfiguration
