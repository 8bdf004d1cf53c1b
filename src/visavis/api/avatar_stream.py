"""What is said over ``WS /v1/avatar-stream``, in the shapes of LiveAvatar's LITE mode."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter

from visavis.media import Emotion

MAX_AUDIO = 1024 * 1024
"""Bytes of sound in one message, as the LITE mode has it."""

EventId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Seconds = Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)]
Word = tuple[Annotated[str, StringConstraints(max_length=200)], Seconds, Seconds]


class StreamQuery(BaseModel):
    """What is asked for when the socket is opened, as query parameters."""

    character_id: Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,64}$")] = "ava"
    width: int = Field(default=512, ge=384, le=1080, multiple_of=4)
    height: int = Field(default=512, ge=384, le=1080, multiple_of=4)
    sample_rate: Literal["16000", "24000"] = "24000"
    badge: bool = True


class Speak(BaseModel):
    """Sound to be said, mono s16 little-endian, base64. One ``event_id`` is one utterance.

    ``words`` and ``phonemes`` (IPA) are [symbol, start, end] in seconds from the beginning of this
    sound; without them the mouth follows the sound alone.
    """

    type: Literal["agent.speak"]
    audio: str
    event_id: EventId | None = None
    text: Annotated[str, StringConstraints(max_length=8000)] = ""
    words: list[Word] = Field(default=[], max_length=1000)
    phonemes: list[Word] = Field(default=[], max_length=2000)


class SpeakEnd(BaseModel):
    """The utterance is complete."""

    type: Literal["agent.speak_end"]
    event_id: EventId | None = None


class InterruptSpeech(BaseModel):
    """Be silent at once. ``event_id``: only this utterance and those before it."""

    type: Literal["agent.interrupt"]
    event_id: EventId | None = None


class StartListening(BaseModel):
    type: Literal["agent.start_listening"]


class StopListening(BaseModel):
    type: Literal["agent.stop_listening"]


class State(BaseModel):
    """What the face does while it does not speak."""

    type: Literal["agent.state"]
    state: Literal["idle", "listening", "thinking"]


class Feel(BaseModel):
    type: Literal["agent.emotion"]
    emotion: Emotion
    intensity: float = Field(default=1.0, ge=0, le=1)


class KeyFrame(BaseModel):
    """Send a picture that builds on no other."""

    type: Literal["video.keyframe"]


class KeepAlive(BaseModel):
    type: Literal["session.keep_alive"]


StreamCommand = Annotated[
    Speak
    | SpeakEnd
    | InterruptSpeech
    | StartListening
    | StopListening
    | State
    | Feel
    | KeyFrame
    | KeepAlive,
    Field(discriminator="type"),
]
STREAM_COMMAND: TypeAdapter[StreamCommand] = TypeAdapter(StreamCommand)
