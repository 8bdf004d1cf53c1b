"""The pieces of the API reference, as HTML: texts, kinds of values, tables, examples."""

import json
import re
from html import escape
from typing import Any

Schema = dict[str, Any]


def prose(text: str) -> str:
    """Paragraphs; what stands between back-ticks becomes code."""
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    return "".join(f"<p>{inline(paragraph)}</p>" for paragraph in paragraphs)


def inline(text: str) -> str:
    return re.sub(r"(`+)(.+?)\1", r"<code>\2</code>", escape(" ".join(text.split())))


def kind(schema: Schema) -> str:
    """What a value may be, in a few words; schemas with a name are links."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#schema-{name}">{name}</a>'
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(dict.fromkeys(kind(option) for option in schema[union]))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " · ".join(f"<code>{escape(json.dumps(value))}</code>" for value in values)
    named = schema.get("type", "any value")
    if named == "array":
        return f"list of {kind(schema.get('items', {}))}"
    return escape(str(schema.get("format", "") or named)) + limits(schema)


def limits(schema: Schema) -> str:
    """Ranges, lengths and patterns, as far as they are worth reading."""
    low, high = schema.get("minimum"), schema.get("maximum")
    parts: list[str] = []
    if low is not None or high is not None:
        parts.append(f"{'' if low is None else low}..{'' if high is None else high}")
    if (longest := schema.get("maxLength")) is not None:
        parts.append(f"≤ {longest} characters")
    if (most := schema.get("maxItems")) is not None:
        parts.append(f"≤ {most} items")
    return escape(f" ({', '.join(parts)})") if parts else ""


def fields(schema: Schema) -> str:
    """The members of an object as a table."""
    required = set(schema.get("required", []))
    rows = [
        _row(name, member, needed=name in required)
        for name, member in schema.get("properties", {}).items()
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def parameters(given: list[Schema]) -> str:
    """Parameters of path, query and header as a table."""
    rows = [
        _row(
            each["name"],
            {**each.get("schema", {}), "description": each.get("description", "")},
            needed=each.get("required", False),
            where=each["in"],
        )
        for each in given
    ]
    return f"<h4>Parameters</h4><table>{''.join(rows)}</table>" if rows else ""


def code(text: str) -> str:
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'


def pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def example_of(schema: Schema, schemas: dict[str, Schema]) -> Any:
    """An example of a body: its own, or one made of its members' examples."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    if schema.get("examples"):
        return schema["examples"][0]
    members: Schema = schema.get("properties", {})
    required = schema.get("required", [])
    return {
        name: member["examples"][0] if member.get("examples") else example_of(member, schemas)
        for name, member in members.items()
        if name in required or member.get("examples")
    }


def curl(method: str, path: str, operation: Schema, body: Any) -> str:
    """A command line that does it, with the key in ``$VISAVIS_API_KEY``."""
    known = {"agent_id": "demo", "character_id": "ava", "version": "1"}
    filled = re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], f"${found[1].upper()}"), path)
    lines = [f'curl "http://localhost:7860{filled}"']
    if method != "GET":
        lines[0] = f'curl -X {method} "http://localhost:7860{filled}"'
    if any(operation.get("security", [])):
        token = "VISAVIS_API_KEY" if "apiKey" in operation["security"][0] else "ROOM_TOKEN"
        lines.append(f'-H "Authorization: Bearer ${token}"')
    if body is not None:
        text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
        lines += ['-H "Content-Type: application/json"', f"-d '{text}'"]
    return " \\\n  ".join(lines)


def _row(name: str, member: Schema, *, needed: bool, where: str = "") -> str:
    need = ' <span class="need">required</span>' if needed else ""
    place = f' <span class="kind">in {escape(where)}</span>' if where else ""
    default = member.get("default")
    preset = f" Default: <code>{escape(json.dumps(default))}</code>" if default is not None else ""
    return (
        f"<tr><td><code>{escape(name)}</code>{need}{place}</td>"
        f'<td><span class="kind">{kind(member)}</span><br>'
        f"{inline(member.get('description', ''))}{preset}</td></tr>"
    )
