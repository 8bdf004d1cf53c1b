"""Changing an agent: JSON Merge Patch (RFC 7396), and what differs between two agents."""

from collections.abc import Iterator, Mapping
from typing import Any, cast, get_args

from pydantic import BaseModel, JsonValue

from visavis.agents.schema import AgentConfiguration

JsonDict = dict[str, JsonValue]


def merge(target: Mapping[str, JsonValue], patch: Mapping[str, JsonValue]) -> JsonDict:
    """``target`` with ``patch`` merged in: objects merge, null removes, all else replaces."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            old = merged.get(name)
            merged[name] = merge(old if isinstance(old, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def patch_between(old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]) -> JsonDict:
    """The merge patch that turns ``old`` into ``new``."""
    patch: JsonDict = dict.fromkeys(name for name in old if name not in new)
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            patch[name] = patch_between(before, value)
        else:
            patch[name] = value
    return patch


def merge_configuration(target: AgentConfiguration, patch: Mapping[str, JsonValue]) -> JsonDict:
    """The patched configuration, not yet validated.

    null resets to the default, except where null is itself a choice (no idle time-out): there it
    is chosen.
    """
    return _merge_model(target, target.model_dump(mode="json"), patch)


def _merge_model(
    model: BaseModel, target: Mapping[str, JsonValue], patch: Mapping[str, JsonValue]
) -> JsonDict:
    merged = merge(target, patch)
    for name, value in patch.items():
        field = type(model).model_fields.get(name)
        if field is None:
            continue
        section, old = getattr(model, name), target.get(name)
        if value is None and type(None) in get_args(field.annotation):
            merged[name] = None
        elif isinstance(section, BaseModel) and isinstance(value, dict) and isinstance(old, dict):
            merged[name] = _merge_model(section, old, value)
    return merged


def differences(
    before: Mapping[str, JsonValue], after: Mapping[str, JsonValue], at: str = ""
) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """Path, old and new value of everything that differs; a value that is not there is None."""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(
                cast("dict[str, Any]", old), cast("dict[str, Any]", new), f"{at}{name}."
            )
        elif old != new or type(old) is not type(new):
            yield f"{at}{name}", old, new
