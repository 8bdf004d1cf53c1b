"""Agents of other vendors: what is carried over, and that everything else is told."""

import json

import pytest

from visavis.agents.importers import VENDORS, import_agent

IWY = {
    "id": "7c0e3a3e-0000-4000-8000-000000000000",
    "user_id": "7c0e3a3e-0000-4000-8000-000000000001",
    "name": "Sales",
    "publish_status": "private",
    "configuration": {
        "llm": {
            "model": "gemini-2.0-flash",
            "provider": "google",
            "system_prompt": "You sell boats.",
            "first_message": "Ahoy!",
            "cost_per_minute": 0.001532,
        },
        "stt": {"model": "nova-3-general", "provider": "deepgram", "cost_per_minute": 0.01},
        "tts": {"provider": "elevenlabs", "voice_id": "21m00Tcm4TlvDq8ikWAM"},
        "video": {"provider": "binary", "character_id": "0001", "cost_per_minute": 0},
        "version": "1.0",
        "tool_calling": {"selected_tool_ids": ["7c0e3a3e-0000-4000-8000-000000000002"]},
        "end_of_conversation": {"callback_url": "https://a.example/end", "send_data_on_end": True},
    },
    "metadata": {"team": "north"},
}


def lost(imported) -> set[str]:
    return {item.field for item in imported.lost}


def test_iwy_keeps_words_callback_and_metadata():
    imported = import_agent("iwy", IWY)
    document = imported.document
    assert (document.id, document.name, document.publish_status) == (None, "Sales", "private")
    assert document.metadata == {"team": "north"}
    agent = document.configuration
    assert (agent.llm.system_prompt, agent.llm.first_message) == ("You sell boats.", "Ahoy!")
    assert agent.end_of_conversation.callback_url == "https://a.example/end"
    assert agent.end_of_conversation.send_data_on_end
    assert (agent.llm.provider, agent.tts.voice_id, agent.video.character_id) == (
        "default",
        "heart",
        "ava",
    )
    assert lost(imported) == {
        "configuration.llm.cost_per_minute",
        "configuration.llm.provider",
        "configuration.llm.model",
        "configuration.stt.cost_per_minute",
        "configuration.stt.provider",
        "configuration.stt.model",
        "configuration.tts.provider",
        "configuration.tts.voice_id",
        "configuration.video.provider",
        "configuration.video.character_id",
        "configuration.video.cost_per_minute",
        "configuration.tool_calling.selected_tool_ids",
    }


def test_iwy_with_a_server_of_its_own_keeps_it():
    llm = {"provider": "custom", "custom_url": "https://llm.example/v1", "model": "big"}
    agent = import_agent("iwy", {"name": "x", "configuration": {"llm": llm}}).document.configuration
    assert (agent.llm.provider, agent.llm.custom_url, agent.llm.model) == (
        "openai",
        "https://llm.example/v1",
        "big",
    )


def test_tavus_joins_prompt_and_context_and_keeps_its_own_model_without_its_key():
    persona = {
        "persona_id": "p1",
        "persona_name": "Interviewer",
        "system_prompt": "You interview.",
        "context": "The job is in Oslo.",
        "greeting": "Shall we?",
        "pipeline_mode": "full",
        "default_replica_id": "r1",
        "document_ids": ["d1"],
        "layers": {
            "llm": {
                "model": "llama",
                "base_url": "https://llm.example/v1",
                "api_key": "sk-secret",
                "tools": [{"type": "function"}],
            },
            "tts": {"tts_engine": "cartesia", "external_voice_id": "v", "api_key": "sk-secret"},
            "stt": {"stt_engine": "tavus-advanced", "hotwords": "Oslo, Bergen"},
            "perception": {"perception_model": "raven-1"},
            "conversational_flow": {"turn_taking_patience": "high", "wake_phrase": "hey"},
        },
    }
    imported = import_agent("tavus", persona)
    agent = imported.document.configuration
    assert imported.document.name == "Interviewer"
    assert agent.llm.system_prompt == "You interview.\n\nThe job is in Oslo."
    assert agent.llm.first_message == "Shall we?"
    assert (agent.llm.custom_url, agent.llm.model) == ("https://llm.example/v1", "llama")
    assert agent.stt.prompt == "Oslo, Bergen"
    assert agent.turn_taking.max_silence_ms == 2500
    assert lost(imported) == {
        "default_replica_id",
        "document_ids",
        "layers.llm.api_key",
        "layers.llm.tools",
        "layers.tts.tts_engine",
        "layers.tts.external_voice_id",
        "layers.tts.api_key",
        "layers.stt.stt_engine",
        "layers.perception",
        "layers.conversational_flow.wake_phrase",
    }
    assert "sk-secret" not in repr(imported)


def test_anam_keeps_language_limits_greeting_and_silence():
    persona = {
        "id": "1",
        "name": "Cara",
        "description": "At the desk",
        "avatarId": "a",
        "voiceId": "v",
        "llmId": "CUSTOMER_CLIENT_V1",
        "systemPrompt": "Help.",
        "initialMessage": "Hello",
        "skipGreeting": True,
        "uninterruptibleGreeting": True,
        "languageCode": "fr",
        "maxSessionLengthSeconds": 600,
        "zeroDataRetention": True,
        "voiceDetectionOptions": {
            "silenceBeforeAutoEndTurnSeconds": 9,
            "silenceBeforeSessionEndSeconds": 60,
            "endOfSpeechSensitivity": 0.5,
        },
        "somethingNew": 3,
    }
    imported = import_agent("anam", persona)
    agent = imported.document.configuration
    assert imported.document.metadata == {"description": "At the desk"}
    assert (agent.language, agent.max_duration_seconds) == ("fr", 600)
    assert (agent.idle_timeout_seconds, agent.retention.zero) == (60, True)
    assert (agent.greeting.who_first, agent.greeting.interruptible) == ("user", False)
    assert agent.turn_taking.max_silence_ms == 5000
    assert lost(imported) == {
        "avatarId",
        "voiceId",
        "llmId",
        "voiceDetectionOptions.silenceBeforeAutoEndTurnSeconds",
        "voiceDetectionOptions.endOfSpeechSensitivity",
        "somethingNew",
    }


def test_anams_older_shape():
    older = {"name": "Leo", "brainType": "LLAMA", "brain": {"systemPrompt": "Greet."}}
    imported = import_agent("anam", older)
    assert imported.document.configuration.llm.system_prompt == "Greet."
    assert lost(imported) == {"brainType"}


def test_d_id_takes_the_language_from_the_voice():
    agent = {
        "id": "agt_1",
        "preview_name": "Scarlett",
        "preview_description": "Knows the Louvre",
        "presenter": {
            "type": "talk",
            "source_url": "https://a.example/face.jpg",
            "voice": {"type": "microsoft", "voice_id": "en-GB-SoniaNeural"},
        },
        "llm": {
            "type": "openai",
            "provider": "openai",
            "model": "gpt-4o",
            "instructions": "You are Scarlett.",
            "template": "rag-grounded",
        },
        "knowledge": {"id": "knl_1"},
        "starter_message": ["What is there to see?"],
        "greetings": ["Bonjour!", "Hello!"],
        "embed": True,
    }
    imported = import_agent("d-id", agent)
    ours = imported.document.configuration
    assert (imported.document.name, ours.language) == ("Scarlett", "en-GB")
    assert (ours.llm.system_prompt, ours.llm.first_message) == ("You are Scarlett.", "Bonjour!")
    assert lost(imported) == {
        "presenter.type",
        "presenter.source_url",
        "presenter.voice.type",
        "presenter.voice.voice_id",
        "llm.type",
        "llm.provider",
        "llm.model",
        "llm.template",
        "knowledge",
        "starter_message",
        "greetings",
    }


JUNK = [None, 0, -1e300, True, "", "\x00", "x" * 200_001, [], [1], {}, {"a": []}]
KEYS = [
    "name",
    "persona_name",
    "preview_name",
    "preview_description",
    "system_prompt",
    "context",
    "greeting",
    "layers",
    "llm",
    "tts",
    "stt",
    "custom_url",
    "base_url",
    "model",
    "provider",
    "configuration",
    "publish_status",
    "metadata",
    "callback_url",
    "end_of_conversation",
    "languageCode",
    "maxSessionLengthSeconds",
    "voiceDetectionOptions",
    "brain",
    "greetings",
    "skipGreeting",
    "presenter",
    "voice",
    "voice_id",
    "language",
    "instructions",
    "conversational_flow",
    "hotwords",
    "turn_taking_patience",
    "silenceBeforeSessionEndSeconds",
    "tool_calling",
    "video",
]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("junk", JUNK, ids=lambda value: json.dumps(value)[:12])
def test_nothing_that_json_can_hold_breaks_an_import(vendor, junk):
    flat = dict.fromkeys(KEYS, junk)
    nested = dict.fromkeys(KEYS, flat)
    for data in ({}, flat, nested, dict.fromkeys(KEYS, nested)):
        import_agent(vendor, data)
