"""What an agent is: the configuration object, in the shape iwy's callers know."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from visavis.agents.fields import (
    CostPerMinute,
    Id,
    JsonObject,
    Name,
    Origin,
    Prose,
    Strict,
    Url,
    Word,
)

BuiltinTool = Literal["end_call", "switch_language", "set_emotion"]
PublishStatus = Literal["draft", "private", "public"]
AgentKind = Literal["permanent", "ephemeral"]
Metadata = Annotated[JsonObject, Field(max_length=100)]


class LlmConfig(Strict):
    """What thinks. Three kinds of ``provider``, here and for stt and tts:

    "default" is what this server's settings choose; "embedded" the models that run beside it;
    "openai" the OpenAI-compatible server at ``custom_url``, else at the settings' base URL.
    ``model`` "default" leaves the choice to the settings.
    """

    provider: Word = "default"
    model: Name = "default"
    system_prompt: Prose = (
        "You are a friendly assistant. Answer in one or two short spoken sentences."
    )
    first_message: Annotated[Prose, Field(max_length=5000)] = ""
    voice: Word | None = None
    custom_url: Url | None = None
    temperature: float = Field(default=0.3, ge=0, le=2)
    max_tokens: int = Field(default=120, ge=1, le=4096)
    cost_per_minute: CostPerMinute | None = None


class SttConfig(Strict):
    """``prompt``: something callers might say, with the names that matter spelt right."""

    provider: Word = "default"
    model: Name = "default"
    custom_url: Url | None = None
    prompt: Annotated[Prose, Field(max_length=400)] = ""
    cost_per_minute: CostPerMinute | None = None


class TtsConfig(Strict):
    provider: Word = "default"
    voice_id: Word = "heart"
    model: Name = "default"
    custom_url: Url | None = None
    cost_per_minute: CostPerMinute | None = None


class Background(Strict):
    """What is behind the face.

    "own" is the one that the character comes with, "colour" and "image" are given here, "green" is
    for keying, "transparent" shows the page behind (where the browser draws the face; elsewhere it
    is as "own"). ``blur`` softens it: 0 not at all, 1 beyond recognition.
    """

    kind: Literal["own", "colour", "image", "green", "transparent"] = "own"
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    image_url: Url | None = None
    blur: float = Field(default=0, ge=0, le=1)


class VideoConfig(Strict):
    """The face. ``provider`` "puppet" draws ``character_id`` here: one that visavis comes with, or
    one made from a photo. Any other provider is a backend for other faces, to which
    ``character_id`` names one of its own; should it fail, the puppet ``fallback_character_id``
    takes over.

    ``render``: where the face is drawn. "server" sends video; "client" lets the browser draw, from
    a stream of coefficients; "auto" takes whichever the caller says it can do.
    ``width`` and ``height`` in pixels, multiples of 4. ``badge``: the mark that tells people they
    see an AI.
    """

    provider: Word = "puppet"
    character_id: Word = "ava"
    fallback_character_id: Word = "ava"
    render: Literal["auto", "client", "server"] = "auto"
    width: int = Field(default=512, ge=384, le=1920, multiple_of=4)
    height: int = Field(default=512, ge=384, le=1080, multiple_of=4)
    background: Background = Background()
    badge: bool = True
    cost_per_minute: CostPerMinute | None = None


class ToolCalling(Strict):
    """``selected_tool_ids``: tools of ``/v1/tool``; ``builtin``: those every agent may have."""

    selected_tool_ids: list[Id] = Field(default=[], max_length=64)
    builtin: list[BuiltinTool] = Field(default=[], max_length=8)


class EndOfConversation(Strict):
    """Where the end is told. ``send_data_on_end`` adds transcript, turns and figures."""

    callback_url: Url | None = None
    send_data_on_end: bool = False


class TurnTaking(Strict):
    """Who has the floor.

    ``max_silence_ms``: silence that ends the user's turn when the end-of-turn model is unsure.
    """

    interruptible: bool = True
    max_silence_ms: int = Field(default=1200, ge=300, le=5000)


class Greeting(Strict):
    """Who speaks first. The agent says ``llm.first_message``; "user" makes it wait.

    After ``wait_seconds`` of a silent user the agent greets after all; None waits for ever.
    """

    who_first: Literal["agent", "user"] = "agent"
    wait_seconds: int | None = Field(default=None, ge=1, le=300)
    interruptible: bool = True


class RecordingConfig(Strict):
    """Nothing is recorded before the user consents, on the page or through the app."""

    enabled: bool = False


class Retention(Strict):
    """``days``: sessions older than this are deleted; None keeps them.

    ``zero``: nothing that was said is ever stored, only times and counts.
    """

    days: int | None = Field(default=None, ge=1, le=3650)
    zero: bool = False


class AgentConfiguration(Strict):
    version: Literal["1.0"] = "1.0"
    llm: LlmConfig = LlmConfig()
    stt: SttConfig = SttConfig()
    tts: TtsConfig = TtsConfig()
    video: VideoConfig = VideoConfig()
    tool_calling: ToolCalling = ToolCalling()
    end_of_conversation: EndOfConversation = EndOfConversation()
    turn_taking: TurnTaking = TurnTaking()
    greeting: Greeting = Greeting()
    recording: RecordingConfig = RecordingConfig()
    retention: Retention = Retention()
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)] = (
        "en"
    )
    max_duration_seconds: int = Field(default=3600, ge=30, le=86_400)
    idle_timeout_seconds: int | None = Field(
        default=300, ge=10, le=3600, description="Nobody speaks for this long: the session ends."
    )
    allowed_origins: list[Origin] = Field(
        default=[], max_length=100, description="Sites that may embed it; empty: any."
    )


class Agent(BaseModel):
    """An agent as sessions see it."""

    id: Id
    name: Name
    configuration: AgentConfiguration
    kind: AgentKind = "permanent"
    publish_status: PublishStatus = "public"
    metadata: Metadata = {}
    version: int = 1
