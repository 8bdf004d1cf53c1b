"""Whether a model's arguments are what the tool's schema asks for."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match  # pyright: ignore[reportUnknownVariableType]
from jsonschema.protocols import Validator
from jsonschema.validators import extend  # pyright: ignore[reportUnknownVariableType]
from pydantic import ValidationError as NoMatch
from referencing import Registry
from referencing.exceptions import Unresolvable

from visavis.tools.schema import compile_pattern

MAX_ARGUMENTS_BYTES = 32 * 1024
MAX_VALUES = 2000
MAX_WORK = 300_000
"""Values of the arguments times values of the schema: under a second, whatever they say."""
MAX_MATCHED_CHARS = 2000
"""Longer texts satisfy no pattern."""
MAX_MESSAGE_CHARS = 300

_COMPOSED = ("allOf", "anyOf", "oneOf", "if", "dependentSchemas")


class ArgumentsError(Exception):
    """The arguments are not acceptable; the message tells the model why."""


def check_arguments(schema: dict[str, Any], arguments_json: str, *, strict: bool) -> dict[str, Any]:
    """The arguments as an object, checked against ``OfferedTool.parameters``.

    ``strict`` also refuses arguments that the schema does not know; otherwise those are left out
    and obvious slips of type are mended. Raises ``ArgumentsError``.
    """
    arguments = _parse(arguments_json)
    closed = _is_closed(schema)
    if strict and closed:
        schema = {"additionalProperties": False, **schema}
    elif not strict:
        if closed or schema.get("additionalProperties") is False:
            known = cast(Mapping[str, Any], schema.get("properties", {}))
            arguments = {name: value for name, value in arguments.items() if name in known}
        arguments = cast(dict[str, Any], _mend(arguments, schema))
    error = _first_error(schema, arguments)
    if error is not None:
        raise ArgumentsError(_message(error))
    return arguments


def _first_error(schema: Mapping[str, Any], arguments: dict[str, Any]) -> ValidationError | None:
    if _count(schema) * _count(arguments) > MAX_WORK:
        raise ArgumentsError("The arguments are too many for this tool.")
    # An empty registry, so that nothing is ever fetched; jsonschema's own typing is partial.
    validator: Validator = _ArgumentsValidator(schema, registry=Registry[Any]())
    try:
        return cast(ValidationError | None, best_match(validator.iter_errors(arguments)))
    except RecursionError:
        raise ArgumentsError("The arguments nest too deeply.") from None
    except Unresolvable:
        raise ArgumentsError("The tool's schema cannot be used.") from None


def _parse(arguments_json: str) -> dict[str, Any]:
    if len(arguments_json.encode(errors="replace")) > MAX_ARGUMENTS_BYTES:
        raise ArgumentsError(f"The arguments are longer than {MAX_ARGUMENTS_BYTES} bytes.")
    try:
        arguments = json.loads(
            arguments_json.strip() or "{}", parse_constant=_refuse, parse_float=_finite
        )
        json.dumps(arguments, ensure_ascii=False).encode()  # no half of a surrogate pair
    except (ValueError, RecursionError):
        raise ArgumentsError("The arguments are not valid JSON.") from None
    if not isinstance(arguments, dict):
        raise ArgumentsError("The arguments must be a JSON object.")
    if _count(arguments) > MAX_VALUES:
        raise ArgumentsError(f"The arguments hold more than {MAX_VALUES} values.")
    return cast(dict[str, Any], arguments)


def _refuse(name: str) -> float:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _count(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + sum(_count(one) for one in cast(Mapping[str, Any], value).values())
    if isinstance(value, list):
        return 1 + sum(_count(one) for one in cast(list[Any], value))
    return 1


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether ``properties`` is all there is: the author said nothing about others."""
    return "additionalProperties" not in schema and not any(word in schema for word in _COMPOSED)


def _mend(value: Any, schema: Any) -> Any:
    """``value`` with slips of type mended where the schema leaves no doubt what was meant."""
    if not isinstance(schema, Mapping):
        return value
    rules = cast(Mapping[str, Any], schema)
    if isinstance(value, dict):
        known = rules.get("properties", {})
        pairs = cast(dict[str, Any], value).items()
        return {name: _mend(one, known.get(name)) for name, one in pairs}
    if isinstance(value, list):
        return [_mend(one, rules.get("items")) for one in cast(list[Any], value)]
    wanted = rules.get("type")
    if isinstance(value, str) and wanted in _READ:
        try:
            return _READ[wanted](value.strip().lower())
        except (ValueError, KeyError):
            return value
    if wanted == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


_READ: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "number": _finite,
    "boolean": {"true": True, "false": False}.__getitem__,
}


def _message(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    text = f"{where}: {error.message}" if where else error.message
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"


def _pattern(
    validator: Validator, pattern: str, value: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(value, str):
        return
    try:
        if len(value) > MAX_MATCHED_CHARS:
            raise ArgumentsError("too long")
        compile_pattern(pattern).validate_python(value)
    except (NoMatch, ArgumentsError):
        yield ValidationError(f"{value[:60]!r} does not match {pattern!r}")


def _unique_items(
    validator: Validator, wanted: bool, value: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """In linear time; the original compares every pair."""
    if wanted and isinstance(value, list):
        items = cast(list[Any], value)
        if len({json.dumps(item, sort_keys=True) for item in items}) < len(items):
            yield ValidationError("the items are not all different")


_ArgumentsValidator = cast(
    Callable[..., Validator],
    extend(Draft202012Validator, {"pattern": _pattern, "uniqueItems": _unique_items}),
)
