"""All settings, in one place: environment variables ``VISAVIS_…`` or a ``.env`` file."""

import os
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class FaceSettings(BaseModel):
    """Where one backend for faces is: a program to run, or a running one (docs/faces.md)."""

    command: list[str] = Field(default=[], description="A worker, which we start and end.")
    socket: Path | None = Field(default=None, description="Of a worker that someone else runs.")
    url: str | None = Field(default=None, description="An avatar stream: ws:// or wss://.")
    api_key: SecretStr = SecretStr("")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="VISAVIS_", env_file=".env", extra="ignore")

    host: str = "127.0.0.1"
    port: int = 7860
    public_url: str | None = Field(
        default=None, description="How browsers reach us, behind a proxy."
    )
    data_dir: Path = Field(default=Path(".visavis"), description="Database, secret, logs.")
    database_url: str | None = Field(
        default=None, description="postgresql://… ; default: SQLite in data_dir."
    )
    blobs_url: str | None = Field(
        default=None, description="Recordings: an fsspec URL (s3://…); default: data_dir/blobs."
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    workers: int = Field(default=2, ge=1, description="Processes that host sessions.")
    sessions_per_worker: int = Field(default=2, ge=1)
    join_seconds: int = Field(
        default=120, ge=5, description="How long a room token waits for its user."
    )

    require_key: bool = Field(
        default=False, description="Ask programs on this machine for an API key, too."
    )
    start_rate: str = Field(default="30/minute", description="Session starts per client address.")
    api_rate: str = Field(default="1200/minute", description="Requests per key or address.")
    outgoing_allow: list[str] = Field(
        default=[],
        description="Private hosts or networks that tools and webhooks may call all the same.",
    )
    retention_days: int | None = Field(
        default=None, ge=1, description="Delete older sessions, unless the agent says otherwise."
    )
    otel_endpoint: str | None = Field(
        default=None, description="OTLP over HTTP, e.g. http://localhost:4318; sends traces."
    )
    otel_content: bool = Field(
        default=False, description="Put into traces what was said and what tools were told, too."
    )
    llm_cost_per_minute: float = Field(default=0, ge=0, description="For estimates; likewise:")
    stt_cost_per_minute: float = Field(default=0, ge=0)
    tts_cost_per_minute: float = Field(default=0, ge=0)
    video_cost_per_minute: float = Field(default=0, ge=0)

    room_engine: Literal["auto", "reactor", "aiortc"] = "auto"
    udp_ports: tuple[int, int] | None = Field(
        default=None, description="UDP range for media, e.g. [40000,40100]."
    )
    ice_servers: list[dict[str, object]] = []

    faces: dict[str, FaceSettings] = Field(
        default={}, description='Backends by provider name: {"mine": {"command": ["./face"]}}.'
    )
    avatar_streams: int = Field(
        default=2, ge=0, description="How many agents elsewhere may borrow a face at a time."
    )
    bithuman_api_secret: SecretStr = SecretStr("")
    bithuman_models: Path | None = Field(
        default=None, description="A folder of bitHuman avatars: CHARACTER.imx."
    )

    models_dir: Path = Path.home() / ".cache" / "visavis" / "models"
    llm_threads: int = Field(
        default_factory=lambda: max(1, min(4, (os.cpu_count() or 2) - 1)),
        ge=1,
        description="Fewer than cores: threads that wait for each other stall beside a live face.",
    )
    stt_base_url: str | None = Field(
        default=None, description="Any OpenAI-compatible server instead of the embedded one."
    )
    stt_api_key: SecretStr = SecretStr("")
    stt_model: str = "whisper-1"
    llm_base_url: str | None = None
    llm_api_key: SecretStr = SecretStr("")
    llm_model: str = "gpt-4o-mini"
    tts_base_url: str | None = None
    tts_api_key: SecretStr = SecretStr("")
    tts_model: str = "tts-1"
    elevenlabs_api_key: SecretStr = SecretStr("")
    elevenlabs_url: str = "https://api.elevenlabs.io"
    cartesia_api_key: SecretStr = SecretStr("")
    cartesia_url: str = "https://api.cartesia.ai"
    azure_speech_key: SecretStr = SecretStr("")
    azure_speech_url: str = Field(
        default="", description="wss://REGION.tts.speech.microsoft.com of your resource."
    )


@cache
def settings() -> Settings:
    """The process's settings, read once."""
    return Settings()
