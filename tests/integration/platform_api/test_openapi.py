"""Every route is described, with an example where it takes a body, and its errors."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI

from visavis.server.app import create_app
from visavis.server.errors import TITLES
from visavis.server.reference import docs_parts
from visavis.server.reference.openapi import Document, describe, name_of
from visavis.server.telemetry.metrics import Metrics


class NoServices:
    """Nothing is asked of a server while its API is described."""

    metrics = Metrics()


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(NoServices())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Document:
    return describe(app)


def _operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_has_a_name_a_tag_and_a_description(document: Document) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    lacking = [
        name
        for name, operation in _operations(document)
        if not operation.get("summary")
        or not operation.get("description")
        or len(operation.get("tags", [])) != 1
        or operation["tags"][0] not in tags
        or "security" not in operation
    ]
    assert lacking == []


def test_names_are_unique(document: Document) -> None:
    names = [operation["operationId"] for _, operation in _operations(document)]
    assert sorted(names) == sorted(set(names))
    assert all(name.isalpha() for name in names)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1/agent", "CreateAgent"),
        ("GET", "/v1/agent", "ListAgents"),
        ("GET", "/v1/agent/{agent_id}", "GetAgent"),
        ("PATCH", "/v1/tool/{tool_id}", "UpdateTool"),
        ("DELETE", "/v1/session/{session_id}", "DeleteSession"),
        ("GET", "/v1/agent/{agent_id}/version", "ListAgentVersions"),
        ("POST", "/v1/agent/{agent_id}/rollback", "RollbackAgent"),
        ("GET", "/v1/session/{session_id}/transcript", "GetSessionTranscript"),
    ],
)
def test_names_follow_from_paths(method: str, path: str, name: str) -> None:
    assert name_of(method, path) == name


def test_every_error_is_a_documented_problem(document: Document) -> None:
    for name, operation in _operations(document):
        for group in ("4XX", "5XX"):
            reference = operation["responses"][group]["$ref"]
            assert reference == "#/components/responses/Problem", name
        assert "422" not in operation["responses"], name
    problem = document["components"]["schemas"]["Problem"]
    assert problem["properties"]["code"]["enum"] == sorted(TITLES)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_body_has_an_example_that_fits(document: Document) -> None:
    schemas = document["components"]["schemas"]
    bodies = 0
    for name, operation in _operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            continue
        bodies += 1
        media = content["application/json"]
        example = media.get("example") or docs_parts.example_of(media["schema"], schemas)
        assert example, f"{name} has no example"
        jsonschema.validate(example, {**media["schema"], "components": document["components"]})
    assert bodies > 10


def test_every_success_says_what_it_is(document: Document) -> None:
    for name, operation in _operations(document):
        if name.startswith("HEAD"):
            continue
        for status, answer in operation["responses"].items():
            if status in ("204", "4XX", "5XX") or "$ref" in answer:
                continue
            kinds: dict[str, Any] = answer.get("content", {})
            assert kinds, f"{name} {status} has no content type"
            assert kinds.get("application/json", {"schema": 1}).get("schema"), f"{name} {status}"


def test_texts_have_bounds(document: Document) -> None:
    """Whoever sends a text must be able to read how long it may be."""
    unbounded = [
        f"{name}: {parameter['name']}"
        for name, operation in _operations(document)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query" and not _bounded(parameter["schema"])
    ]
    assert unbounded == []


def _bounded(schema: dict[str, Any]) -> bool:
    if "anyOf" in schema:
        return all(_bounded(option) for option in schema["anyOf"])
    if "$ref" in schema or schema.get("type") != "string":
        return True
    return bool({"maxLength", "enum", "const", "format", "pattern"} & schema.keys())


async def test_the_reference_shows_every_operation_and_runs_nothing(open_house: Callable) -> None:
    house = await open_house(workers=1)
    page = await house.http.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "<script" not in page.text
    assert "https://" not in page.text.replace("https://example.com", "").split("<main")[0]
    document = (await house.http.get("/openapi.json")).json()
    for name, operation in _operations(document):
        assert f'<article id="{operation["operationId"]}">' in page.text, name
    for code in TITLES:
        assert f"<code>{code}</code>" in page.text


async def test_idempotency_keys_are_read_where_they_are_described(
    open_house: Callable, document: Document
) -> None:
    house = await open_house(workers=1)
    for name, operation in _operations(document):
        method, path = name.split()
        if method != "POST":
            continue
        described = [parameter["name"] for parameter in operation.get("parameters", [])]
        answer = await house.http.post(
            re.sub(r"\{\w+\}", "none", path), headers={"Idempotency-Key": "two words"}
        )
        read = answer.json().get("field") == "Idempotency-Key"
        assert read == ("Idempotency-Key" in described), f"{name}: {answer.text}"
