"""What a request makes of a tool: secrets kept where asked, every rule checked."""

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from visavis.agents.tools import REDACTED, ToolDefinition
from visavis.api.tools import ToolCreate, ToolPatch
from visavis.net.client import GuardedClient, OutgoingError
from visavis.server.errors import Problem, from_validation
from visavis.tools.rules import RuleBroken, check_tool


def created(tool_id: str, body: ToolCreate, http: GuardedClient) -> ToolDefinition:
    """A new tool. Raises ``Problem``."""
    return _checked(ToolDefinition(id=tool_id, **dict(body)), http)


def patched(before: ToolDefinition, body: ToolPatch, http: GuardedClient) -> ToolDefinition:
    """The tool as ``body`` changes it. Raises ``Problem``."""
    given = {name: getattr(body, name) for name in body.model_fields_set}
    if body.headers is not None:
        given["headers"] = _merged_headers(before.headers, body.headers)
    if body.auth_config is not None:
        auth = body.auth_config.model_dump()
        given["auth_config"] = _kept_secrets(before.auth_config.model_dump(), auth)
    fields = {**before.model_dump(mode="json"), **given}
    fields = {name: value for name, value in fields.items() if value is not None}
    try:
        return _checked(ToolDefinition.model_validate(fields), http)
    except ValidationError as error:
        raise from_validation(RequestValidationError(error.errors())) from None


def _checked(tool: ToolDefinition, http: GuardedClient) -> ToolDefinition:
    try:
        check_tool(tool)
    except RuleBroken as broken:
        raise _invalid(broken.field, broken.message) from None
    for where, value in _secrets(tool):
        if value == REDACTED:
            raise _invalid(where, f"{REDACTED} keeps a secret, but there is none to keep.")
    if tool.server_url is not None:
        try:
            http.check(tool.server_url)
        except OutgoingError as error:
            problem = Problem("outgoing_refused", error.message)
            problem.members["field"] = "server_url"
            raise problem from None
    return tool


def _merged_headers(before: dict[str, str], given: dict[str, str | None]) -> dict[str, str]:
    """RFC 7396: null removes; names are compared without case."""
    old = {name.lower(): value for name, value in before.items()}
    named = {name.lower() for name in given}
    merged = {name: value for name, value in before.items() if name.lower() not in named}
    for name, value in given.items():
        if value is not None:
            merged[name] = old.get(name.lower(), value) if value == REDACTED else value
    return merged


def _kept_secrets(before: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    same_kind = before["type"] == given["type"]
    return {
        name: before.get(name, value) if value == REDACTED and same_kind else value
        for name, value in given.items()
    }


def _secrets(tool: ToolDefinition) -> list[tuple[str, str]]:
    auth: dict[str, str] = tool.auth_config.model_dump()
    return [(f"auth_config.{name}", value) for name, value in auth.items()] + [
        (f"headers.{name}", value) for name, value in tool.headers.items()
    ]


def _invalid(field: str, message: str) -> Problem:
    problem = Problem("invalid_request", message)
    problem.members["field"] = field
    return problem
