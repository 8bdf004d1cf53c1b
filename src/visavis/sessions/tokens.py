"""Room tokens: what lets one browser into one room, and nothing else."""

import os
import secrets
from pathlib import Path

import jwt

_ALGORITHM = "HS256"
_AUDIENCE = "visavis-room"
_AFTERLIFE_S = 48 * 3600
"""How long past its deadline a token still shows its session: the longest call takes a day."""


class TokenError(Exception):
    """``code``: ``token_invalid``, ``token_expired``, ``token_other_session`` or ``…_origin``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class RoomTokens:
    """Signed tokens bound to a session id; ``exp`` is the deadline for joining.

    Once joined, the call outlives ``exp``: the peer connection's own secret id takes over.
    A token that a web page asked for is bound to that page's origin, too.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, session_id: str, join_by_ms: int, origin: str | None = None) -> str:
        """A token for one session, to be used until ``join_by_ms`` (Unix ms)."""
        claims = {"sub": session_id, "aud": _AUDIENCE, "exp": join_by_ms / 1000}
        if origin is not None:
            claims["origin"] = origin
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM)

    def check(
        self, token: str, session_id: str, *, joining: bool = False, origin: str | None = None
    ) -> None:
        """Raise ``TokenError`` unless ``token`` is this session's.

        For ``joining`` its deadline counts to the second, for all else two days longer.

        ``origin`` is that of the request. Browsers send none when a page reads from its own site,
        so a bound token may come without one, except for joining, which they always sign.
        """
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                leeway=0 if joining else _AFTERLIFE_S,
                options={"require": ["exp", "sub", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenError("token_expired") from None
        except jwt.InvalidTokenError:
            raise TokenError("token_invalid") from None
        if claims["sub"] != session_id:
            raise TokenError("token_other_session")
        bound = claims.get("origin")
        if bound is not None and origin != bound and (joining or origin is not None):
            raise TokenError("token_other_origin")


def load_secret(path: Path) -> bytes:
    """The signing secret in ``path``; made on first use, readable by its owner only."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        secret = secrets.token_bytes(32)
        file.write(secret)
    return secret
