"""Tools that every agent may have: they act on the conversation itself.

Sentences in quotation marks are examples of when to call, from which small models learn.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, cast, get_args

from visavis.agents.schema import BuiltinTool
from visavis.conversation.tool_calls import Tool
from visavis.conversation.turn import Turn
from visavis.media import Emotion
from visavis.providers.base import ToolCall, ToolSpec
from visavis.tools.arguments import ArgumentsError, check_arguments
from visavis.tools.outcome import ToolOutcome

EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)
LANGUAGES = {
    "ar": "Arabic",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}
_CODES = {name.lower(): code for code, name in LANGUAGES.items()}

_END_CALL = ToolSpec(
    "end_call",
    'End the call. "Okay, goodbye then." "Please hang up now."',
    {"type": "object", "properties": {}},
)
_SWITCH_LANGUAGE = ToolSpec(
    "switch_language",
    "Speak and understand another language from now on. "
    '"Can you speak Spanish?" "Let us talk in Italian."',
    {
        "type": "object",
        "properties": {
            "language": {"type": "string", "description": "Two-letter code, such as de"}
        },
        "required": ["language"],
    },
)
_SET_EMOTION = ToolSpec(
    "set_emotion",
    'Show an emotion on your face. "Look happy!" "Make a sad face."',
    {
        "type": "object",
        "properties": {
            "emotion": {"type": "string", "enum": list(EMOTIONS)},
            "intensity": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "required": ["emotion"],
    },
)

Act = Callable[[Turn, dict[str, Any]], ToolOutcome]


def builtin_tools(
    names: Sequence[BuiltinTool],
    *,
    languages: Sequence[str] | None,
    speak_language: Callable[[str], None],
    feel: Callable[[Emotion, float], None],
) -> list[Tool]:
    """The tools called ``names``. ``languages``: what can be heard and spoken; None: any."""
    acts: dict[BuiltinTool, tuple[ToolSpec, Act]] = {
        "end_call": (_END_CALL, _end_call),
        "switch_language": (
            _SWITCH_LANGUAGE,
            functools.partial(_switch_language, languages, speak_language),
        ),
        "set_emotion": (_SET_EMOTION, functools.partial(_set_emotion, feel)),
    }
    return [_tool(*acts[name]) for name in dict.fromkeys(names)]


def _tool(spec: ToolSpec, act: Act) -> Tool:
    async def call(turn: Turn, call: ToolCall) -> ToolOutcome:
        parameters = cast("dict[str, Any]", spec.parameters)
        try:
            return act(turn, check_arguments(parameters, call.arguments, strict=False))
        except ArgumentsError as error:
            text = f"The arguments were refused: {error}"
            return ToolOutcome(False, text, "invalid_arguments", 0.0)

    return Tool(spec, call, spec.name)


def _end_call(turn: Turn, _: dict[str, Any]) -> ToolOutcome:
    turn.hangs_up = True
    return _done("Say goodbye to the user now, in a few words; then the call ends.")


def _switch_language(
    languages: Sequence[str] | None,
    speak_language: Callable[[str], None],
    _: Turn,
    arguments: dict[str, Any],
) -> ToolOutcome:
    wanted = str(arguments["language"]).strip().lower()
    code = _CODES.get(wanted, wanted.partition("-")[0])
    name = LANGUAGES.get(code)
    if name is None or (languages is not None and code not in languages):
        known = ", ".join(LANGUAGES[one] for one in languages or LANGUAGES)
        text = f"That language is not available here. Available: {known}. Tell the user so."
        return ToolOutcome(False, text, "language_unavailable", 0.0)
    speak_language(code)
    return _done(f"Done. Speak {name} from now on.")


def _set_emotion(
    feel: Callable[[Emotion, float], None], _: Turn, arguments: dict[str, Any]
) -> ToolOutcome:
    feel(arguments["emotion"], float(arguments.get("intensity", 0.7)))
    return _done("Done. Go on with what you want to say.")


def _done(text: str) -> ToolOutcome:
    return ToolOutcome(True, text, None, 0.0)
