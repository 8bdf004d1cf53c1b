"""Tavus personas, as ``GET /v2/personas/{id}`` answers them or ``POST`` takes them."""

from typing import Any

from visavis.agents.importers import reasons
from visavis.agents.importers.source import Source

_URL = r"https?://[^\s\x00]{1,1900}"
_PATIENCE_MS = {"low": 800, "medium": 1200, "high": 2500}


def document(source: Source) -> dict[str, Any]:
    source.skip("persona_id", "created_at", "updated_at", "persona_type", "pal_id")
    source.lose("default_replica_id", reasons.FACE)
    for name in ("document_ids", "document_tags"):
        source.lose(name, reasons.KNOWLEDGE)
    for name in ("objectives_id", "guardrails_id", "guardrail_ids"):
        source.lose(name, "write what matters of it into the system prompt")
    mode = source.text("pipeline_mode")
    if mode not in ("", "full"):
        source.lose("pipeline_mode", "an agent here always listens, thinks and speaks", mode)
    layers = source.section("layers")
    layers.lose("perception", reasons.CAMERA)
    stt, flow = layers.section("stt"), layers.section("conversational_flow")
    return {
        "name": source.text("persona_name", limit=200) or source.text("name", limit=200),
        "configuration": {
            "llm": {**_llm(layers.section("llm")), **_words(source)},
            "stt": _hearing(stt),
            "tts": _voice(layers.section("tts")),
            "turn_taking": _turns(flow),
        },
    }


def _words(source: Source) -> dict[str, Any]:
    """Their context is more prompt."""
    prompt = source.text("system_prompt", limit=60_000)
    context = source.text("context", limit=39_000)
    words = "\n\n".join(part for part in (prompt, context) if part)
    greeting = source.text("greeting", limit=5000) or source.text("custom_greeting", limit=5000)
    return {"first_message": greeting, **({"system_prompt": words} if words else {})}


def _llm(llm: Source) -> dict[str, Any]:
    llm.lose("tools", reasons.TOOLS)
    llm.lose("api_key", reasons.SECRET)
    llm.lose("speculative_inference", "the model here reads ahead by itself")
    url = llm.text("base_url", pattern=_URL)
    if not url:
        llm.lose("model", reasons.MODEL)
        return {}
    model = llm.text("model", limit=200)
    return {"provider": "openai", "custom_url": url, **({"model": model} if model else {})}


def _hearing(stt: Source) -> dict[str, Any]:
    stt.lose("stt_engine", reasons.MODEL)
    return {"prompt": stt.text("hotwords", limit=400)}


def _voice(tts: Source) -> dict[str, Any]:
    tts.lose("api_key", reasons.SECRET)
    for name in ("tts_engine", "external_voice_id", "voice_id", "tts_model_name"):
        tts.lose(name, reasons.VOICE)
    return {}


def _turns(flow: Source) -> dict[str, Any]:
    flow.lose("turn_detection_model", "one model decides here when a turn ends")
    patience = flow.text("turn_taking_patience")
    if patience in _PATIENCE_MS:
        return {"max_silence_ms": _PATIENCE_MS[patience]}
    flow.lose("turn_taking_patience", "it is none of low, medium and high", patience)
    return {}
