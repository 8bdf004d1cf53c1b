"""What an API key may do."""

from typing import Literal

Scope = Literal[
    "*",
    "agents:read",
    "agents:write",
    "tools:read",
    "tools:write",
    "sessions:read",
    "sessions:write",
    "webhooks:read",
    "webhooks:write",
    "analytics:read",
    "avatars:read",
    "avatars:write",
    "avatars:stream",
    "keys:read",
    "keys:write",
]
