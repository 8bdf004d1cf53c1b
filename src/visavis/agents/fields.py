"""Kinds of text and numbers that the agent and tool schemas share."""

import json
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

NO_NUL = r"^[^\x00]*$"
"""Databases refuse the character NUL in text."""

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
Word = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
Prose = Annotated[str, Field(max_length=100_000, pattern=NO_NUL)]
Url = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^https?://[^\s\x00]+$")]
Origin = Annotated[
    str, Field(max_length=300, pattern=r"^https?://(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?$")
]
"""A web site's origin; ``https://*.example.com`` stands for every subdomain."""
CostPerMinute = Annotated[float, Field(ge=0, le=1000)]


def _storable(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """JSON as everyone reads it: Python's parser lets NaN and half a surrogate pair pass."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ValueError("must be JSON: finite numbers and whole characters") from None
    return value


JsonObject = Annotated[dict[str, JsonValue], AfterValidator(_storable)]


class Strict(BaseModel):
    """Takes what its schema says and nothing else: true is no number, 1 no truth, "3" no 3."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers(cls, data: Any) -> Any:
        """To JSON Schema, 3.0 is an integer."""
        if not isinstance(data, dict):
            return data
        members = cast("dict[Any, Any]", data)
        return {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in members.items()
        }
