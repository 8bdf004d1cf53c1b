"""Hostile and ordinary schemas."""

import pytest

from visavis.tools.schema import SchemaError, compile_pattern, nests_deeper, safe_schema


def of(**properties: object) -> dict:
    return {"type": "object", "properties": properties}


def test_references_are_written_out() -> None:
    schema = {
        **of(
            home={"$ref": "#/$defs/place", "description": "Where."}, work={"$ref": "#/$defs/place"}
        ),
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://example.com/x",
        "$defs": {
            "place": {"type": "object", "properties": {"zip": {"$ref": "#/$defs/zip~1code"}}},
            "zip/code": {"type": "string"},
        },
    }
    place = {"type": "object", "properties": {"zip": {"type": "string"}}}
    assert safe_schema(schema) == of(home={"description": "Where.", "allOf": [place]}, work=place)


def test_a_property_may_have_a_keywords_name() -> None:
    schema = of(**{"$ref": {"type": "string"}, "pattern": {"type": "string"}, "$id": {}})
    assert safe_schema(schema) == schema


def test_data_is_left_alone() -> None:
    schema = of(a={"const": {"$ref": "#/x"}, "default": {"pattern": 5}, "enum": [{"$id": 1}]})
    assert safe_schema(schema) == schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string"},
        {"type": ["object"]},
        of(a={"type": "text"}),
        of(a=5),
        of(a={"minimum": "1"}),
        of(a={"maximum": float("inf")}),
        of(a={"$ref": "http://127.0.0.1/schema"}),
        of(a={"$ref": "file:///etc/passwd"}),
        of(a={"$ref": "#/$defs/none"}),
        of(a={"$ref": 5}),
        {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}},
        {**of(a={"$ref": "#/$defs/a"}),
         "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        of(a={"$dynamicRef": "#x"}),
        {"type": "object", "patternProperties": {"(a+)+$": {}}},
        of(a={"pattern": "(?<=a)b"}),
        of(a={"pattern": r"(a)\1"}),
        of(a={"pattern": "("}),
        of(a={"pattern": ["a"]}),
        of(a={"pattern": "a" * 301}),
        of(a={"pattern": "((a{100}){100}){100}"}),
        of(a={"description": "x" * 70_000}),
        of(**{f"p{number}": {} for number in range(1001)}),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(schema: dict) -> None:
    with pytest.raises(SchemaError):
        safe_schema(schema)


def test_deep_and_branching_schemas_are_refused_before_they_cost_anything() -> None:
    deep: dict = {}
    for _ in range(50):
        deep = {"items": deep}
    with pytest.raises(SchemaError):
        safe_schema(of(a=deep))
    for _ in range(5000):
        deep = {"items": deep}
    with pytest.raises(SchemaError):
        safe_schema(of(a=deep))
    defs = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 9} for n in range(9)}
    with pytest.raises(SchemaError, match="more than 1000"):
        safe_schema({**of(a={"$ref": "#/$defs/d0"}), "$defs": {**defs, "d9": {}}})


def test_patterns_find_without_backtracking() -> None:
    matcher = compile_pattern("^(a+)+$")
    assert matcher.validate_python("a" * 2000)
    assert not matcher.isinstance_python("a" * 2000 + "b")


def test_depth_is_counted() -> None:
    assert not nests_deeper([[1]], 2)
    assert nests_deeper([[1]], 1)
    assert not nests_deeper({"a": {}}, 1)
