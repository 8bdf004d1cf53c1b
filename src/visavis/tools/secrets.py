"""A tool's secrets: which they are, and how they are kept out of everything told or written."""

import json
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import quote

from visavis.agents.tools import (
    REDACTED,
    ApiKeyAuth,
    AuthConfig,
    BasicAuth,
    BearerAuth,
    HmacAuth,
    ToolDefinition,
)

MIN_CHARS = 6
"""A shorter header value would blot out words that are no secret."""

_COMMON = frozenset(
    ("accept", "accept-language", "cache-control", "content-language", "content-type", "user-agent")
)


def secrets_of(tool: ToolDefinition) -> tuple[str, ...]:
    """Every text that must not leave us, longest first, in each spelling it may come back in."""
    plain = set(_of_auth(tool.auth_config))
    for name, value in tool.headers.items():
        if name.lower() not in _COMMON:
            # "Bearer abc…" hides a secret behind a word that is none.
            plain.update(part for part in (value, *value.split()) if len(part) >= MIN_CHARS)
    spelled = {
        spelling
        for secret in plain
        for spelling in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""))
    }
    return tuple(sorted(spelled, key=lambda secret: (-len(secret), secret)))


def redact(text: str, secrets: Sequence[str]) -> str:
    """``text`` with every secret blotted out."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


def basic_credentials(auth: BasicAuth) -> str:
    """The base64 of RFC 7617."""
    return b64encode(f"{auth.username}:{auth.password}".encode()).decode()


def _of_auth(auth: AuthConfig) -> tuple[str, ...]:
    match auth:
        case BearerAuth():
            return (auth.token,)
        case BasicAuth():
            return (auth.password, basic_credentials(auth))
        case ApiKeyAuth():
            return (auth.key,)
        case HmacAuth():
            return (auth.secret,)
        case _:
            return ()
