"""Schemas of arguments, made safe: what anyone may write in, what costs little out.

References are written out in place, so nothing is ever fetched and no cycle is possible;
patterns run on an engine without backtracking, so none can hang a conversation.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import jsonschema
from jsonschema import Draft202012Validator
from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
MAX_SCHEMAS = 1000
"""Schemas within the schema, once references are written out."""
MAX_PATTERN = 300
MAX_COUNTED = 10_000

_OF_ONE = {
    "items",
    "additionalProperties",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
}
_OF_LIST = {"allOf", "anyOf", "oneOf", "prefixItems"}
_OF_NAMES = {"properties", "dependentSchemas"}
_LEFT_OUT = {"$ref", "$schema", "$id", "$defs", "definitions", "$comment", "$anchor"}
_REFUSED = {
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "patternProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
}
_COUNTS = re.compile(r"\{(\d{1,9})(?:,(\d{0,9}))?\}")


class SchemaError(Exception):
    """The schema cannot be used; the message says why."""


def safe_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` with its references written out, fit for models and ``check_arguments``.

    Raises ``SchemaError`` unless it is a valid JSON Schema (draft 2020-12) of an object, of
    bounded size, with references only into itself. Takes about 1 ms per schema within it: beside
    live conversations call it in a thread.
    """
    try:
        size = len(json.dumps(schema, allow_nan=False))
    except (ValueError, RecursionError):
        raise SchemaError("The schema nests too deeply, or holds a number without end.") from None
    if nests_deeper(schema, MAX_DEPTH * 2):
        raise SchemaError("The schema nests too deeply.")
    if size > MAX_BYTES:
        raise SchemaError(f"The schema is larger than {MAX_BYTES} bytes.")
    if schema.get("type") != "object":
        raise SchemaError('The schema must have "type": "object" at the top.')
    # First written out, then checked: the check itself walks as deep as the schema goes.
    written_out = _Writer(schema).write(schema, 0, frozenset())
    try:
        Draft202012Validator.check_schema(written_out)
    except jsonschema.SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top"
        raise SchemaError(f"Not a valid JSON Schema at {where}: {error.message[:200]}") from None
    return cast(dict[str, Any], written_out)


def nests_deeper(value: Any, levels: int) -> bool:
    """Whether JSON nests more than so many levels."""
    if isinstance(value, Mapping):
        inner = list(cast(Mapping[str, Any], value).values())
    else:
        inner = cast(list[Any], value) if isinstance(value, list) else []
    return bool(inner) and (levels == 0 or any(nests_deeper(one, levels - 1) for one in inner))


class _Writer:
    """Writes a schema's references out, counting as it goes."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._count = 0

    def write(self, schema: Any, depth: int, within: frozenset[str]) -> Any:
        """``within``: the references this place was reached through."""
        self._count += 1
        if self._count > MAX_SCHEMAS:
            raise SchemaError(f"The schema holds more than {MAX_SCHEMAS} schemas.")
        if depth > MAX_DEPTH:
            raise SchemaError(f"The schema nests more than {MAX_DEPTH} levels.")
        if not isinstance(schema, Mapping):
            return schema  # true and false are schemas; the check refuses anything else
        here = self._own(cast(Mapping[str, Any], schema), depth, within)
        reference = cast(Mapping[str, Any], schema).get("$ref")
        if reference is None:
            return here
        target = self._follow(reference, depth, within)
        return {**here, "allOf": [*here.get("allOf", []), target]} if here else target

    def _own(self, schema: Mapping[str, Any], depth: int, within: frozenset[str]) -> dict[str, Any]:
        """Everything of a schema but its reference."""
        return {
            word: self._part(word, value, depth + 1, within)
            for word, value in schema.items()
            if word not in _LEFT_OUT
        }

    def _part(self, word: str, value: Any, depth: int, within: frozenset[str]) -> Any:
        if word in _REFUSED:
            raise SchemaError(f"{word} is not supported here.")
        if word == "pattern":
            if not isinstance(value, str):
                raise SchemaError("A pattern must be a text.")
            compile_pattern(value)
        if word in _OF_ONE:
            return self.write(value, depth, within)
        if word in _OF_LIST and isinstance(value, list):
            return [self.write(one, depth, within) for one in cast(list[Any], value)]
        if word in _OF_NAMES and isinstance(value, Mapping):
            names = cast(Mapping[str, Any], value).items()
            return {name: self.write(one, depth, within) for name, one in names}
        return value

    def _follow(self, reference: Any, depth: int, within: frozenset[str]) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise SchemaError("A $ref may only point into the schema itself (#/$defs/…).")
        if reference in within:
            raise SchemaError("A $ref may not lead back to itself.")
        target: Any = self._root
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, Mapping) or name not in target:
                raise SchemaError("A $ref points to nothing.")
            target = cast(Mapping[str, Any], target)[name]
        return self.write(target, depth + 1, within | {reference})


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> SchemaValidator:
    """A matcher whose time grows linearly with the text. Raises ``SchemaError``."""
    if len(pattern) > MAX_PATTERN:
        raise SchemaError(f"A pattern has at most {MAX_PATTERN} characters.")
    counted = 1
    for low, high in _COUNTS.findall(pattern):
        counted *= max(1, int(high or low))
    if counted > MAX_COUNTED:
        raise SchemaError("A pattern repeats too often.")
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except PatternError:
        raise SchemaError(
            "A pattern is not valid here; looking around and referring back are not supported."
        ) from None
