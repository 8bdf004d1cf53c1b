"""Tools: ``/v1/tool``."""

from pydantic import JsonValue

from visavis.api.page import Page
from visavis.api.tools import ToolCreate, ToolPatch, ToolTested, ToolView
from visavis.client.call import Call, into, nothing, segment
from visavis.client.operation import Resource, S, iterating, operation

_TEST_S = 330.0
"""A tool may take 300 s."""


class Tools(Resource[S]):
    """What agents may do: webhooks, client tools, MCP servers."""

    @operation
    def create(self, tool: ToolCreate) -> Call[ToolView]:
        """A new tool. Its secrets are never answered again."""
        return Call("POST", "/v1/tool", into(ToolView), tool)

    @operation
    def get(self, tool_id: str) -> Call[ToolView]:
        """One tool."""
        return Call("GET", _path(tool_id), into(ToolView))

    @operation
    def list(self, *, limit: int | None = None, cursor: str | None = None) -> Call[Page[ToolView]]:
        """One page, newest first."""
        return Call(
            "GET", "/v1/tool", into(Page[ToolView]), query={"limit": limit, "cursor": cursor}
        )

    @iterating
    def iterate(self) -> Call[Page[ToolView]]:
        """All tools, newest first."""
        return Call("GET", "/v1/tool", into(Page[ToolView]), query={"limit": 100})

    @operation
    def update(self, tool_id: str, patch: ToolPatch) -> Call[ToolView]:
        """Change what ``patch`` sets."""
        return Call("PATCH", _path(tool_id), into(ToolView), patch)

    @operation
    def delete(self, tool_id: str) -> Call[None]:
        """Delete the tool."""
        return Call("DELETE", _path(tool_id), nothing)

    @operation
    def test(
        self, tool_id: str, parameters: dict[str, JsonValue], *, validate_only: bool = False
    ) -> Call[ToolTested]:
        """Check parameters against the tool's schema and, unless told otherwise, call it."""
        body = {"parameters": parameters, "validate_only": validate_only}
        path = f"{_path(tool_id)}/test"
        return Call("POST", path, into(ToolTested), body, timeout_s=_TEST_S)


def _path(tool_id: str) -> str:
    return f"/v1/tool/{segment(tool_id)}"
