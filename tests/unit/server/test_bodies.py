import json

import pytest

from visavis.server.errors import Problem
from visavis.server.gate.bodies import MAX_DEPTH, check_json, check_no_nul


@pytest.mark.parametrize(
    "value",
    [
        {"text": "[" * 200 + '\\"{' * 200},
        {"text": "NaN Infinity \\ud800 1e999 \\u0000"},
        {"emoji": "\U0001f600", "umlaut": "ü"},
        [1e308, -1e-308, 2**63, 1e-9999],
        [[]] * 1000,
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_honest_json_passes(value, ascii_only):
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    check_json(body)
    check_no_nul(body)


def test_depth_counts_brackets_outside_strings_only():
    check_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(Problem) as refused:
        check_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    assert refused.value.code == "bad_json"
    flat = b'["' + b"[" * 100 + b'",' + b",".join([b"{}"] * 100) + b"]"
    check_json(flat)


@pytest.mark.parametrize("body", [b"{", b"[NaN", b"\\u0000", b'"\\u0000', b"x" * 1000])
def test_malformed_json_is_left_to_its_route(body):
    check_json(body)
    check_no_nul(body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"a": {"b": ["x", "\\u0000"]}}', "a.b.1"),
        (b'{"a": {"b\\u0000c": 1}}', "a.bc"),
        (b'"\\u0000"', ""),
    ],
)
def test_nul_is_found_wherever_it_is(body, field):
    with pytest.raises(Problem) as refused:
        check_no_nul(body)
    assert refused.value.members["field"] == field
