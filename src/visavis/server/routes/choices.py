"""What an agent on this server can be made of: for menus, and to refuse everything else."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from sqlalchemy.ext.asyncio import AsyncSession

from visavis.agents.schema import AgentConfiguration, Background, BuiltinTool
from visavis.api.agents import CharacterChoice, Choices, ProviderChoice, VideoChoice
from visavis.avatar.backends import registry as backends
from visavis.models.catalogue import HIBARI_HEART, QWEN_05B, WHISPER_TINY_EN
from visavis.models.hibari import VOICES
from visavis.server.errors import Problem
from visavis.sessions.endpoints import DEFAULT, EMBEDDED, OPENAI, needs_host, route, vendors
from visavis.settings import Settings
from visavis.storage import avatars as avatar_store

LayerName = Literal["llm", "stt", "tts"]

_HOSTED = {"llm": QWEN_05B.name, "stt": WHISPER_TINY_EN.name, "tts": HIBARI_HEART.name}
_FACES = ("character_id", "fallback_character_id")
_EMBEDDED_LANGUAGES = ["en"]
"""Of the embedded ears and voice; the language model knows more."""


def choices(settings: Settings, made: Sequence[str] = ()) -> Choices:
    """Everything that exists here; ``made``: the ids of faces that users brought."""
    embedded_speech = None in (settings.stt_base_url, settings.tts_base_url)
    return Choices(
        llm=_providers("llm", settings),
        stt=_providers("stt", settings),
        tts=_providers("tts", settings),
        video=[
            VideoChoice(
                id="puppet",
                characters=[
                    CharacterChoice(id=name, portrait_url=portrait_url(name))
                    for name in (*_characters(), *made)
                ],
            ),
            *_other_faces(settings),
        ],
        languages=_EMBEDDED_LANGUAGES if embedded_speech else None,
        builtin_tools=list(get_args(BuiltinTool)),
    )


def _other_faces(settings: Settings) -> list[VideoChoice]:
    """Backends that are set up, and what their probes said; they know their own characters."""
    return [
        VideoChoice(id=name, characters=[], available=probe.ok, reason=probe.reason)
        for name, probe in backends.probes(settings).known().items()
    ]


def comes_along(character_id: str) -> bool:
    """Whether it is a character that visavis comes with."""
    return character_id in _characters()


def portrait_url(character_id: str) -> str:
    return f"/avatars/{character_id}/portrait.webp"


def check(configuration: AgentConfiguration, settings: Settings) -> None:
    """Raise ``Problem`` where the configuration asks for what does not exist here.

    Tools are in the database: see ``agent_changes``.
    """
    for name in get_args(LayerName):
        _check_layer(name, configuration, settings)
    video = configuration.video
    _check("video.provider", video.provider, ["puppet", *backends.names(settings)])
    for field in _FACES if video.provider == "puppet" else _FACES[1:]:
        face: str = getattr(video, field)
        if not made_here(face):  # those are in the database: see ``check_faces``
            _check(f"video.{field}", face, list(_characters()))
    _check_background(video.background)
    heard = route(configuration.stt, settings.stt_base_url)
    spoken = (
        "vendor"
        if configuration.tts.provider in vendors(settings)
        else route(configuration.tts, settings.tts_base_url)
    )
    if "host" in (heard, spoken) and configuration.language.split("-")[0] != "en":
        raise unknown_choice("language", configuration.language, _EMBEDDED_LANGUAGES)


async def check_faces(session: AsyncSession, configuration: AgentConfiguration) -> None:
    """Raise ``Problem`` where a face made here is asked for that is not there."""
    video = configuration.video
    for field in _FACES if video.provider == "puppet" else _FACES[1:]:
        face: str = getattr(video, field)
        if made_here(face) and await avatar_store.find(session, face) is None:
            raise unknown_choice(f"video.{field}", face, list(_characters()))


def made_here(character_id: str) -> bool:
    """Whether the id is one of a face that a user brought."""
    return character_id.startswith("av-")


def _check_background(background: Background) -> None:
    needed = {"colour": "colour", "image": "image_url"}.get(background.kind)
    if needed and getattr(background, needed) is None:
        problem = Problem("invalid_request", f'Background "{background.kind}" needs {needed}.')
        problem.members["field"] = f"configuration.video.background.{needed}"
        raise problem


def unknown_choice(field: str, value: str, allowed: list[str]) -> Problem:
    """There is no such thing here; ``field`` is its place in the configuration."""
    problem = Problem("unknown_choice", f"There is no {field} {value!r} here.")
    problem.members = {"field": f"configuration.{field}", "allowed": allowed}
    return problem


def _check_layer(name: LayerName, configuration: AgentConfiguration, settings: Settings) -> None:
    layer = getattr(configuration, name)
    providers = {provider.id: provider for provider in _providers(name, settings)}
    _check(f"{name}.provider", layer.provider, list(providers))
    provider = providers[layer.provider]
    if layer.custom_url and provider.id == EMBEDDED:
        raise _custom_url(name, 'An embedded model has no URL; provider "openai" takes one.')
    if not layer.custom_url and provider.needs_custom_url:
        setting = f"VISAVIS_{name.upper()}_BASE_URL"
        raise _custom_url(name, f'Provider "openai" needs a custom_url, or {setting} set.')
    if layer.custom_url:
        return
    _check(f"{name}.model", layer.model, provider.models)
    if name == "tts":
        _check("tts.voice_id", configuration.tts.voice_id, provider.voices)


def _providers(name: LayerName, settings: Settings) -> list[ProviderChoice]:
    """The providers of a layer, the default first."""
    base_url: str | None = getattr(settings, f"{name}_base_url")
    models = [DEFAULT, _HOSTED[name]]
    voices: list[str] | None = [*VOICES] if name == "tts" else None
    offered = [ProviderChoice(id=OPENAI, models=None, needs_custom_url=base_url is None)]
    if needs_host(settings):
        offered.insert(0, ProviderChoice(id=EMBEDDED, models=models, voices=voices))
    if name == "tts":
        offered += [ProviderChoice(id=vendor, models=None) for vendor in vendors(settings)]
    by_default = next(
        each for each in offered if each.id == (EMBEDDED if base_url is None else OPENAI)
    )
    return [by_default.model_copy(update={"id": DEFAULT}), *offered]


def _check(field: str, value: str, allowed: list[str] | None) -> None:
    if allowed is not None and value not in allowed:
        raise unknown_choice(field, value, allowed)


def _custom_url(name: LayerName, detail: str) -> Problem:
    problem = Problem("invalid_request", detail)
    problem.members["field"] = f"configuration.{name}.custom_url"
    return problem


@cache
def _characters() -> tuple[str, ...]:
    folder = files("visavis.avatar") / "characters"
    names = [entry.name for entry in folder.iterdir()]
    return tuple(sorted(name[:-7] for name in names if name.endswith(".avatar")))
