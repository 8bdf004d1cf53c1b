"""``/docs``: the API reference, made on the server from the OpenAPI document.

Plain HTML and CSS from here: no script, nothing from elsewhere, and the browser's find finds all.
"""

import base64
import hashlib
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from visavis.server.errors import TITLES
from visavis.server.reference import docs_parts as parts
from visavis.server.reference.openapi import Document

router = APIRouter()


@router.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The reference. Made once; a server's API does not change."""
    state = request.app.state
    if not hasattr(state, "docs"):
        state.docs = page(request.app.openapi())
    return HTMLResponse(
        state.docs,
        headers={
            "Cache-Control": "no-cache",
            "Content-Security-Policy": f"default-src 'none'; style-src '{_style()[1]}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )


def page(document: Document) -> str:
    """The whole page."""
    info, schemas = document["info"], document["components"]["schemas"]
    tags = [tag for tag in document["tags"] if _tagged(document, tag["name"])]
    menu = "".join(_menu(document, tag["name"]) for tag in tags)
    sections = "".join(_section(document, tag) for tag in tags)
    shapes = "".join(_schema(name, schemas[name]) for name in sorted(schemas))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{_style()[0]}</style></head><body>"
        f'<nav aria-label="Contents"><a class="home" href="#top">{escape(info["title"])}</a>'
        f'{menu}<h2>More</h2><ul><li><a href="#errors">Errors</a></li>'
        '<li><a href="#schemas">Schemas</a></li><li><a href="/openapi.json">OpenAPI 3.1</a></li>'
        f'</ul></nav><main id="top"><h1>{escape(info["title"])} API</h1>'
        f'<p class="who">Version {escape(info["version"])}</p>{parts.prose(info["description"])}'
        f'{sections}{_errors()}<section id="schemas"><h2>Schemas</h2>{shapes}</section>'
        "</main></body></html>"
    )


@cache
def _style() -> tuple[str, str]:
    """The style sheet, and the hash by which the page's policy lets it in."""
    css = (files("visavis.server.reference") / "docs.css").read_text("utf-8")
    digest = hashlib.sha256(css.encode()).digest()
    return css, f"sha256-{base64.b64encode(digest).decode()}"


def _tagged(document: Document, tag: str) -> list[tuple[str, str, Document]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["tags"] == [tag]
    ]


def _menu(document: Document, tag: str) -> str:
    items = "".join(
        f'<li><a href="#{operation["operationId"]}">{escape(operation["summary"])}</a></li>'
        for _, _, operation in _tagged(document, tag)
    )
    return f"<h2>{escape(tag)}</h2><ul>{items}</ul>"


def _section(document: Document, tag: dict[str, str]) -> str:
    schemas = document["components"]["schemas"]
    articles = "".join(
        _operation(method, path, operation, schemas)
        for method, path, operation in _tagged(document, tag["name"])
    )
    name = escape(tag["name"])
    return (
        f'<section id="{name}"><h2>{name}</h2>{parts.prose(tag["description"])}{articles}</section>'
    )


def _operation(method: str, path: str, operation: Document, schemas: Document) -> str:
    name = operation["operationId"]
    content: Document = operation.get("requestBody", {}).get("content", {})
    media: Document = content.get("application/json", {})
    body: Any = None
    asked = ""
    if media:
        body = media.get("example") or parts.example_of(media["schema"], schemas)
        asked = f"<h4>Body: {parts.kind(media['schema'])}</h4>{parts.code(parts.pretty(body))}"
    return (
        f'<article id="{name}"><h3>{escape(operation["summary"])}</h3>'
        f'<p class="route"><span class="method {method.lower()}">{method}</span>{escape(path)}</p>'
        f'<p class="who">{_who(operation)}</p>{parts.prose(operation.get("description", ""))}'
        f"{parts.parameters(operation.get('parameters', []))}{asked}"
        f"<h4>Answers</h4>{_answers(operation)}"
        f"<h4>Example</h4>{parts.code(parts.curl(method, path, operation, body))}</article>"
    )


def _who(operation: Document) -> str:
    names = {"apiKey": "an API key", "roomToken": "the session's room token"}
    wanted = [names[name] for option in operation["security"] for name in option]
    return f"Needs {' or '.join(wanted)}." if wanted else "Open to everyone."


def _answers(operation: Document) -> str:
    rows: list[str] = []
    for status, answer in operation["responses"].items():
        if status in ("4XX", "5XX"):
            continue
        kinds = [
            f"{parts.kind(media['schema'])} <code>{escape(name)}</code>"
            if media.get("schema")
            else f"<code>{escape(name)}</code>"
            for name, media in answer.get("content", {}).items()
        ]
        rows.append(f"<tr><td>{status}</td><td>{'<br>'.join(kinds) or 'no content'}</td></tr>")
    problem = '<a href="#errors">a problem</a>'
    return f"<table>{''.join(rows)}<tr><td>4XX, 5XX</td><td>{problem}</td></tr></table>"


def _errors() -> str:
    rows = "".join(
        f"<tr><td><code>{code}</code></td><td>{status}</td><td>{escape(title)}</td></tr>"
        for code, (status, title) in sorted(TITLES.items())
    )
    return (
        '<section id="errors"><h2>Errors</h2><p>Every error is a <a href="#schema-Problem">'
        f"Problem</a> with one of these codes.</p><article><table>{rows}</table></article>"
        "</section>"
    )


def _schema(name: str, schema: Document) -> str:
    about = parts.prose(schema.get("description", ""))
    members = parts.fields(schema) or f'<p class="kind">{parts.kind(schema)}</p>'
    return f'<article id="schema-{escape(name)}"><h3>{escape(name)}</h3>{about}{members}</article>'
