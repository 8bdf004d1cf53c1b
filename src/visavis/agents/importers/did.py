"""D-ID agents, as ``GET /agents/{id}`` answers them or ``POST /agents`` takes them."""

import re
from typing import Any

from visavis.agents.importers import reasons
from visavis.agents.importers.source import Source

_LANGUAGE = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}"


def document(source: Source) -> dict[str, Any]:
    source.skip("id", "created_at", "modified_at", "created", "modified", "created_by")
    source.skip("owner_id", "username", "status", "preview_thumbnail", "preview_url", "embed")
    source.lose("knowledge", reasons.KNOWLEDGE)
    source.lose("starter_message", "the page suggests no questions")
    source.lose("access", "set publish_status yourself")
    source.lose("client_key", reasons.SECRET)
    source.lose("triggers", "see tools and webhooks here")
    presenter = source.section("presenter")
    voice = presenter.section("voice")
    language = _language(voice)
    for name in ("type", "voice_id"):
        voice.lose(name, reasons.VOICE)
    for name in ("type", "presenter_id", "source_url", "thumbnail", "driver_id"):
        presenter.lose(name, reasons.FACE)
    description = source.text("preview_description", limit=2000)
    return {
        "name": source.text("preview_name", limit=200),
        "metadata": {"description": description} if description else {},
        "configuration": {
            "llm": {**_llm(source.section("llm")), "first_message": _greeting(source)},
            **({"language": language} if language else {}),
        },
    }


def _llm(llm: Source) -> dict[str, Any]:
    for name in ("type", "provider", "model"):
        llm.lose(name, reasons.MODEL)
    llm.lose("template", reasons.KNOWLEDGE)
    llm.lose("prompt_customization", "write what matters of it into the system prompt")
    prompt = llm.text("instructions")
    return {"system_prompt": prompt} if prompt else {}


def _greeting(source: Source) -> str:
    """They choose one of several at random; here there is one."""
    greetings = source.texts("greetings")
    source.lose("greetings", "the first of them greets everyone", greetings[1:])
    return greetings[0][:5000] if greetings else ""


def _language(voice: Source) -> str:
    """A voice's language, else the one its id begins with ("en-US-JennyNeural")."""
    given = voice.text("language")
    if re.fullmatch(_LANGUAGE, given):
        return given
    begun = re.match(r"([a-z]{2,3}-[A-Z]{2})-", str(voice.peek("voice_id")))
    if begun is None:
        voice.lose("language", "write it as a code, such as en", given)
    return begun[1] if begun else ""
