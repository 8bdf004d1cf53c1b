"""Endpoints to providers. Call these, and the providers they return, on the worker's event loop."""

from collections.abc import Callable

from visavis.providers import openai_http
from visavis.providers.azure import AzureTextToSpeech
from visavis.providers.base import Endpoint, LanguageModel, SpeechToText, TextToSpeech
from visavis.providers.cartesia import CartesiaTextToSpeech
from visavis.providers.elevenlabs import ElevenLabsTextToSpeech
from visavis.providers.openai_llm import OpenAiLanguageModel
from visavis.providers.openai_stt import OpenAiSpeechToText
from visavis.providers.openai_tts import OpenAiTextToSpeech


def speech_to_text(endpoint: Endpoint, *, prompt: str = "") -> SpeechToText:
    return OpenAiSpeechToText(endpoint, prompt=prompt)


def language_model(
    endpoint: Endpoint, *, temperature: float, max_tokens: int, session_id: str
) -> LanguageModel:
    return OpenAiLanguageModel(
        endpoint, temperature=temperature, max_tokens=max_tokens, session_id=session_id
    )


def text_to_speech(endpoint: Endpoint) -> TextToSpeech:
    return _VOICES[endpoint.kind](endpoint)


_VOICES: dict[str, Callable[[Endpoint], TextToSpeech]] = {
    "openai": OpenAiTextToSpeech,
    "elevenlabs": ElevenLabsTextToSpeech,
    "cartesia": CartesiaTextToSpeech,
    "azure": AzureTextToSpeech,
}


async def aclose() -> None:
    """Close the connections that this event loop's providers share."""
    await openai_http.aclose()
