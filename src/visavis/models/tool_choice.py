"""Which tool a small model should call: asked in a prompt of its own, answered by grammar.

A model of half a billion parameters that is offered tools the usual way calls them for a mere
"Hello", and once a conversation has begun in words it never calls any. So it is first asked what
the user wants, with examples and without the conversation, and may only name a tool or none; then
for the arguments, which a grammar of their schema shapes. What it says is not affected.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, cast

Json = dict[str, Any]

NONE = "none"
NONE_BIAS = -2.0
"""In logits. Without it the model is too shy to call."""
_OTHER = (
    "Hello.",
    "Who was Mozart?",
    "Thank you.",
    "Tell me a story.",
    "How is it going?",
    "What is five times three?",
    "Who are you?",
    "I like music.",
    "I feel tired.",
    "What do you think about football?",
    "Can you explain how planes fly?",
)
"""What people say that no tool is for."""

_QUOTED = re.compile(r'"([^"]{2,200})"')
_WRAPPING = re.compile(r"</?tool_result[^>]*>")
_SHAPE = {"type", "properties", "required", "enum", "const", "items", "anyOf", "minimum", "maximum"}
_STEADY: Json = {"temperature": 0.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}


def functions_of(request: Json) -> dict[str, Json]:
    """The functions that a request (OpenAI's ``tools``) offers, by name."""
    tools = cast("Sequence[Json]", request.get("tools") or ())
    functions = [cast(Json, tool.get("function") or {}) for tool in tools]
    return {str(function["name"]): function for function in functions if function.get("name")}


def which(functions: dict[str, Json], said: str, *, must: bool = False) -> Json:
    """The request that names a tool for what the user ``said``; ``must`` allows no "none"."""
    names = [*functions] if must else [*functions, NONE]
    messages = [{"role": "system", "content": _question(functions)}]
    for example, name in _examples(functions):
        messages += [
            {"role": "user", "content": example},
            {"role": "assistant", "content": name},
        ]
    return _STEADY | {
        "messages": [*messages, {"role": "user", "content": said}],
        "max_tokens": 48,
        "logit_bias": [[NONE, NONE_BIAS]],
        "grammar": "%llguidance {}\nstart: " + " | ".join(json.dumps(name) for name in names),
    }


def with_what(function: Json, messages: Sequence[Json]) -> Json:
    """The request that writes the arguments of ``function``, asked at the end of ``messages``."""
    schema = cast(Json, function.get("parameters") or {})
    wanted = {name: _hint(one) for name, one in schema.get("properties", {}).items()}
    ask = f"(Write the arguments of {function['name']} as JSON: {json.dumps(wanted)})"
    last = messages[-1]
    asked = {**last, "content": f"{last.get('content') or ''}\n{ask}"}
    return _STEADY | {
        "messages": [*messages[:-1], asked],
        "max_tokens": 256,
        "grammar": "%llguidance {}\nstart: %json " + json.dumps(_shape(schema)),
    }


def in_words(messages: Sequence[Json]) -> list[Json]:
    """``messages`` without the protocol of tools: results stand with what the user said.

    Small models read them better so, and what is cached up to the user's words stays useful.
    """
    if not any(message.get("role") == "tool" for message in messages):
        return list(messages)
    plain: list[Json] = []
    names: dict[str, str] = {}
    for message in messages:
        for call in cast("list[Json]", message.get("tool_calls") or []):
            names[str(call.get("id"))] = str(cast(Json, call.get("function") or {}).get("name"))
        if message.get("role") == "tool":
            name = names.get(str(message.get("tool_call_id")), "the tool")
            _add(plain, _told(name, str(message.get("content") or "")))
        elif message.get("content") or not message.get("tool_calls"):
            plain.append({"role": message.get("role"), "content": message.get("content") or ""})
    last = messages[-1]
    if last.get("role") == "tool" and not _WRAPPING.search(str(last.get("content"))):
        # No data: with the question before its eyes, the model would make an answer up.
        plain[-1]["content"] = f"Say this in a friendly way: {last.get('content')}"
    return plain


def _told(name: str, result: str) -> str:
    """What a tool answered; only data is wrapped, the rest are words of our own."""
    data = _WRAPPING.sub("", result).strip()
    if data == result.strip():
        return f"({data})"
    return f"(Answer in words, with this data from {name}: {_listed(data)})"


def _listed(data: str) -> str:
    """A flat JSON object as a list, or else ``data``: a small model reads out what it is given."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(values, dict):
        return data
    pairs = cast(Json, values).items()
    if any(isinstance(value, dict | list) for _, value in pairs):
        return data
    return ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in pairs)


def _add(messages: list[Json], text: str) -> None:
    """Put ``text`` with the last thing that the user said; anew if the assistant spoke since."""
    if messages and messages[-1]["role"] == "user":
        messages[-1]["content"] += f"\n\n{text}"
    else:
        messages.append({"role": "user", "content": text})


def _question(functions: dict[str, Json]) -> str:
    lines = [f"- {name}: {_about(function)}" for name, function in functions.items()]
    question = "Which tool does the user ask for? Answer with its name."
    return "\n".join([question, *lines, f"- {NONE}: Anything else."])


def _about(function: Json) -> str:
    return " ".join(_QUOTED.sub("", str(function.get("description") or "")).split())


def _examples(functions: dict[str, Json]) -> list[tuple[str, str]]:
    """Sentences in quotation marks in a description are examples; else it is one itself."""
    ours: list[list[tuple[str, str]]] = []
    for name, function in functions.items():
        quoted = _QUOTED.findall(str(function.get("description") or ""))
        said = quoted or [_about(function) or name.replace("_", " ")]
        ours.append([(one, name) for one in said])
    calls = [one for several in ours for one in several[:1]]
    calls += [one for several in ours for one in several[1:]]
    others = [(one, NONE) for one in _OTHER]
    mixed: list[tuple[str, str]] = []
    for index in range(max(len(calls), len(others))):
        mixed += calls[index : index + 1] + others[index : index + 1]
    return mixed


def _hint(schema: Any) -> str:
    rules = cast(Json, schema) if isinstance(schema, dict) else {}
    if "enum" in rules:
        return "/".join(str(one) for one in rules["enum"])
    return str(rules.get("description") or rules.get("type") or "any")


def _shape(schema: Any) -> Any:
    """The part of a schema that says what the JSON looks like; the rest is checked later."""
    if not isinstance(schema, dict):
        return schema
    rules = cast(Json, schema)
    shape = {key: value for key, value in rules.items() if key in _SHAPE}
    if "properties" in shape:
        properties = cast(Json, shape["properties"])
        shape["properties"] = {name: _shape(one) for name, one in properties.items()}
        shape["additionalProperties"] = False
    if "items" in shape:
        shape["items"] = _shape(shape["items"])
    if "anyOf" in shape:
        shape["anyOf"] = [_shape(one) for one in shape["anyOf"]]
    return shape
