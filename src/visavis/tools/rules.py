"""What a tool must be, beyond the types of its fields."""

from typing import get_args

from visavis.agents.schema import BuiltinTool
from visavis.agents.tools import ApiKeyAuth, HmacAuth, ToolDefinition
from visavis.tools.request import OURS, has_stray_places, places
from visavis.tools.schema import SchemaError, safe_schema

RESERVED = frozenset(get_args(BuiltinTool))
"""Names that belong to the tools built in."""


class RuleBroken(Exception):
    """A field is not what it must be; the message says why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def check_tool(tool: ToolDefinition) -> None:
    """Raises ``RuleBroken``."""
    if tool.name in RESERVED:
        raise RuleBroken("name", "That is the name of a built-in tool.")
    _check_url(tool)
    try:
        schema = safe_schema(tool.parameters_schema)
    except SchemaError as error:
        raise RuleBroken("parameters_schema", str(error)) from None
    _check_headers(tool)
    if tool.kind == "webhook":
        known = schema.get("properties", {})
        for name in places(tool.server_url or ""):
            if name not in known:
                raise RuleBroken("server_url", f"No parameter is called {name!r}.")


def _check_url(tool: ToolDefinition) -> None:
    url = tool.server_url
    if tool.kind == "client":
        if url is not None:
            raise RuleBroken("server_url", "A client tool has no server.")
        return
    if url is None:
        raise RuleBroken("server_url", "This kind of tool needs a server.")
    if "\\" in url:
        raise RuleBroken("server_url", "A URL holds no backslash.")
    try:
        stray = has_stray_places(url)
    except ValueError:
        raise RuleBroken("server_url", "That is no URL that can be called.") from None
    if stray or (tool.kind == "mcp" and places(url)):
        raise RuleBroken("server_url", "Arguments may stand in the path of a webhook only.")


def _check_headers(tool: ToolDefinition) -> None:
    for name in tool.headers:
        if name.lower() in OURS:
            raise RuleBroken("headers", f"{name} belongs to the connection.")
    if len({name.lower() for name in tool.headers}) < len(tool.headers):
        raise RuleBroken("headers", "A header is given twice.")
    auth = tool.auth_config
    if isinstance(auth, ApiKeyAuth | HmacAuth) and auth.header.lower() in OURS:
        raise RuleBroken("auth_config.header", f"{auth.header} belongs to the connection.")
