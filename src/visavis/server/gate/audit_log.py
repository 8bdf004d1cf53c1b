"""Refusals that look like abuse go into the audit, but never so many that they fill the disk."""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from visavis.server.errors import Problem
from visavis.server.gate.rates import MovingWindow
from visavis.storage import audit
from visavis.storage.database import Database

ACTIONS = {
    "key_expired": "key.refused",
    "key_invalid": "key.refused",
    "key_revoked": "key.refused",
    "scope_missing": "key.refused",
    "origin_refused": "origin.refused",
    "token_expired": "token.refused",
    "token_in_use": "token.refused",
    "token_invalid": "token.refused",
    "token_other_origin": "token.refused",
    "token_other_session": "token.refused",
}
"""The problems that are audited, and as what."""

log = structlog.stdlib.get_logger("visavis.server")


class AuditLog:
    """Writes refusals: ten a minute of one actor and kind, sixty a minute in all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._each = MovingWindow("refusals", "10/minute")
        self._all = MovingWindow("refusals", "60/minute")

    async def refused(self, problem: Problem, address: str, subject: str, origin: str) -> None:
        """Record ``problem`` if it is of that kind. ``address``: the caller's network."""
        action = ACTIONS.get(problem.code)
        if action is None:
            return
        actor = problem.actor or f"address:{address}"
        within = self._each.hit(f"{action} {actor}").allowed and self._all.hit("all").allowed
        if not within:
            return
        detail = {"code": problem.code, "address": address}
        if origin:
            detail["origin"] = origin[:300]
        try:
            async with self._database.write() as session:
                await audit.record(session, actor, action, problem.subject or subject, detail)
        except SQLAlchemyError as error:  # the refusal stands; only its trace is lost
            log.warning("audit_unwritten", action=action, error=type(error).__name__)
