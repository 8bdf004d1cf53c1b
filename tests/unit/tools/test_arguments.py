"""Arguments of models: checked strictly, or mended."""

import json

import pytest

from visavis.tools.arguments import ArgumentsError, check_arguments

CITY = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "pattern": "^[A-ZÅ]"},
        "days": {"type": "integer", "minimum": 1},
        "metric": {"type": "boolean"},
        "near": {
            "type": "object",
            "properties": {"km": {"type": "number"}},
            "additionalProperties": False,
        },
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "required": ["city"],
}


def strictly(**arguments: object) -> dict:
    return check_arguments(CITY, json.dumps(arguments), strict=True)


def loosely(**arguments: object) -> dict:
    return check_arguments(CITY, json.dumps(arguments), strict=False)


def test_good_arguments_come_back_as_they_are() -> None:
    given = {"city": "Åsgård", "days": 2, "metric": True, "near": {"km": 1.5}, "tags": ["a", "b"]}
    assert strictly(**given) == given
    assert loosely(**given) == given


def test_no_arguments_are_an_empty_object() -> None:
    anything = {"type": "object"}
    assert check_arguments(anything, "", strict=True) == {}
    assert check_arguments(anything, " {} ", strict=True) == {}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "'city' is a required property"),
        ({"city": "oslo"}, "city: 'oslo' does not match"),
        ({"city": "Oslo" * 1000}, "city: "),
        ({"city": "Oslo", "days": 0}, "days: 0 is less than the minimum of 1"),
        ({"city": "Oslo", "days": "2"}, "days: '2' is not of type 'integer'"),
        ({"city": "Oslo", "near": {"m": 1}}, "near: Additional properties"),
        ({"city": "Oslo", "street": "x"}, "Additional properties"),
        ({"city": "Oslo", "tags": ["a", "a"]}, "tags: the items are not all different"),
        ({"city": "Oslo", "tags": ["a", 1]}, "tags.1: 1 is not of type 'string'"),
    ],
)
def test_the_model_is_told_what_is_wrong(arguments: dict, told: str) -> None:
    with pytest.raises(ArgumentsError) as caught:
        strictly(**arguments)
    assert str(caught.value).startswith(told)
    assert len(str(caught.value)) <= 300


def test_slips_are_mended_where_the_schema_leaves_no_doubt() -> None:
    mended = loosely(city="Oslo", days="2", metric="True", near={"km": "1.5"}, tags=[1], extra=1)
    assert mended == {"city": "Oslo", "days": 2, "metric": True, "near": {"km": 1.5}, "tags": ["1"]}


@pytest.mark.parametrize(
    "arguments",
    [{"days": "2"}, {"city": "Oslo", "days": "two"}, {"city": "Oslo", "metric": "maybe"},
     {"city": "Oslo", "near": {"km": "inf"}}],
)  # fmt: skip
def test_what_cannot_be_mended_is_refused(arguments: dict) -> None:
    with pytest.raises(ArgumentsError):
        loosely(**arguments)


def test_an_author_who_speaks_of_other_properties_is_heeded() -> None:
    opened = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert check_arguments(opened, '{"a": 1}', strict=True) == {"a": 1}
    with pytest.raises(ArgumentsError):
        check_arguments(opened, '{"a": "x"}', strict=True)
    closed = {"type": "object", "properties": {"a": {}}, "additionalProperties": False}
    assert check_arguments(closed, '{"a": 1, "b": 2}', strict=False) == {"a": 1}
    composed = {"type": "object", "allOf": [{"properties": {"a": {"type": "integer"}}}]}
    assert check_arguments(composed, '{"a": 1}', strict=True) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '"x"', "5", "null", '{"city": NaN}', '{"city": 1e999}', '{"city": "\\ud800"}',
     "[" * 30_000, '{"a":' * 2000 + "1" + "}" * 2000, '{"city": "' + "x" * 40_000 + '"}',
     '{"tags": [' + "1," * 3000 + "1]}", '{"days": ' + "9" * 5000 + "}"],
)  # fmt: skip
def test_what_is_no_bounded_json_object_is_refused(text: str) -> None:
    for strict in (True, False):
        with pytest.raises(ArgumentsError):
            check_arguments({"type": "object"}, text, strict=strict)


def test_nothing_is_ever_fetched() -> None:
    elsewhere = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}}
    with pytest.raises(ArgumentsError):
        check_arguments(elsewhere, '{"a": 1}', strict=True)


def test_a_costly_schema_meets_few_values_only() -> None:
    """A stranger's MCP server may write the schema; the check runs beside live conversations."""
    costly = {"properties": {"a": {"allOf": [{"items": {"minimum": 0}}] * 500}}}
    assert check_arguments(costly, '{"a": [1, 2, 3]}', strict=True) == {"a": [1, 2, 3]}
    with pytest.raises(ArgumentsError, match="too many"):
        check_arguments(costly, json.dumps({"a": [1] * 1000}), strict=True)
