"""Anam personas: a ``personaConfig``, or what ``/v1/personas`` takes and answers."""

from typing import Any

from visavis.agents.importers import reasons
from visavis.agents.importers.source import Source

_LANGUAGE = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}"
_OWN_BRAIN = "CUSTOMER_CLIENT_V1"


def document(source: Source) -> dict[str, Any]:
    source.skip("id", "personaId", "createdAt", "updatedAt", "createdBy", "isDefaultPersona")
    for name in ("avatarId", "avatar", "avatarModel"):
        source.lose(name, reasons.FACE)
    for name in ("voiceId", "voice", "voiceGenerationOptions"):
        source.lose(name, reasons.VOICE)
    for name in ("llmId", "brainType"):
        _lose_brain(source, name)
    for name in ("tools", "toolIds"):
        source.lose(name, reasons.TOOLS)
    source.lose("directorNotes", "expression follows the speech here")
    description = source.text("description", limit=2000)
    return {
        "name": source.text("name", limit=200),
        "metadata": {"description": description} if description else {},
        "configuration": {
            "llm": _words(source),
            "greeting": _greeting(source),
            **_limits(source),
        },
    }


def _lose_brain(source: Source, name: str) -> None:
    brain = source.text(name)
    advice = "their app was the model; here the agent needs one" if brain == _OWN_BRAIN else ""
    source.lose(name, advice or reasons.MODEL, brain)


def _words(source: Source) -> dict[str, Any]:
    older = source.section("brain")
    prompt = source.text("systemPrompt") or older.text("systemPrompt")
    words: dict[str, Any] = {"system_prompt": prompt} if prompt else {}
    return {**words, "first_message": source.text("initialMessage", limit=5000)}


def _greeting(source: Source) -> dict[str, Any]:
    silent = source.flag("skipGreeting") is True
    firm = source.flag("uninterruptibleGreeting") is True
    return {"who_first": "user" if silent else "agent", "interruptible": not firm}


def _limits(source: Source) -> dict[str, Any]:
    limits: dict[str, Any] = {"retention": {"zero": source.flag("zeroDataRetention") is True}}
    if language := source.text("languageCode", pattern=_LANGUAGE, limit=35):
        limits["language"] = language
    longest = source.number("maxSessionLengthSeconds", 30, 86_400)
    if longest is not None:
        limits["max_duration_seconds"] = round(longest)
    hearing = source.section("voiceDetectionOptions")
    silence = hearing.number("silenceBeforeAutoEndTurnSeconds", 0.3, 5)
    if silence is not None:
        limits["turn_taking"] = {"max_silence_ms": round(silence * 1000)}
    idle = hearing.number("silenceBeforeSessionEndSeconds", 0, 3600)
    if idle == 0:
        hearing.lose("silenceBeforeSessionEndSeconds", "what nought means there is not known", 0)
    elif idle is not None:
        limits["idle_timeout_seconds"] = max(10, round(idle))
    return limits
