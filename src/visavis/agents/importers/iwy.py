"""iwy agents, as ``GET /agent/{id}`` answers them: our own shape, with their providers."""

from typing import Any

from visavis.agents.importers import reasons
from visavis.agents.importers.source import Source

_OURS = {"default", "embedded", "openai"}
_URL = r"https?://[^\s\x00]{1,1900}"


def document(source: Source) -> dict[str, Any]:
    source.skip("id", "user_id")
    configuration = source.section("configuration")
    configuration.skip("version")
    configuration.section("tool_calling").lose("selected_tool_ids", reasons.TOOLS)
    return {
        "name": source.text("name", limit=200),
        "publish_status": source.text("publish_status", pattern="draft|private|public") or None,
        "metadata": source.object("metadata", limit=100),
        "configuration": {
            "llm": _llm(configuration.section("llm")),
            "stt": _layer(configuration.section("stt"), reasons.MODEL),
            "tts": _tts(configuration.section("tts")),
            "video": _video(configuration.section("video")),
            "end_of_conversation": _end(configuration.section("end_of_conversation")),
        },
    }


def _layer(layer: Source, advice: str) -> dict[str, Any]:
    """Provider, model and URL, where they mean here what they meant there."""
    layer.lose("cost_per_minute", reasons.COST)
    provider = layer.text("provider", limit=200)
    custom_url = layer.text("custom_url", pattern=_URL)
    if custom_url and provider != "embedded":
        return _named(layer, {"provider": "openai", "custom_url": custom_url})
    if provider in _OURS:
        return _named(layer, {"provider": provider})
    layer.lose("provider", advice, provider)
    layer.lose("model", advice)
    return {}


def _named(layer: Source, chosen: dict[str, Any]) -> dict[str, Any]:
    model = layer.text("model", limit=200)
    return {**chosen, "model": model} if model else chosen


def _llm(llm: Source) -> dict[str, Any]:
    chosen = _layer(llm, reasons.MODEL)
    if prompt := llm.text("system_prompt"):
        chosen["system_prompt"] = prompt
    chosen["first_message"] = llm.text("first_message", limit=5000)
    llm.lose("voice", "a speech-to-speech model's voice; tts.voice_id speaks here")
    return chosen


def _tts(tts: Source) -> dict[str, Any]:
    chosen = _layer(tts, reasons.VOICE)
    if chosen and (voice := tts.text("voice_id", limit=200)):
        chosen["voice_id"] = voice
    tts.lose("voice_id", reasons.VOICE)
    return chosen


def _video(video: Source) -> dict[str, Any]:
    video.lose("cost_per_minute", reasons.COST)
    provider = video.text("provider", limit=200)
    if provider == "puppet" and (character := video.text("character_id", limit=200)):
        return {"character_id": character}
    video.lose("provider", reasons.FACE, provider)
    video.lose("character_id", reasons.FACE)
    return {}


def _end(end: Source) -> dict[str, Any]:
    told: dict[str, Any] = {"send_data_on_end": end.flag("send_data_on_end") or False}
    if url := end.text("callback_url", pattern=_URL):
        told["callback_url"] = url
    return told
