"""Loaded by schemathesis: what its schema cannot tell it about this server.

Half of the requests to a session get one that is alive, so that they reach more than a 404.
"""

import itertools
import os

import schemathesis
from schemathesis.generation import GenerationMode

_sessions = [pair.split(" ") for pair in os.environ["VISAVIS_LIVE_SESSIONS"].split(",")]
_turn = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    # Only the server can make these up: a cursor is opaque, a key must be new.
    for part, name in ((case.query, "cursor"), (case.headers, "Idempotency-Key")):
        if part:
            part.pop(name, None)
    path = case.operation.path
    if "{session_id}" in path and next(_turn) % 2 and case.path_parameters:
        if path.startswith("/rooms"):
            session_id, token = _sessions[0]
            case.headers["Authorization"] = f"Bearer {token}"
        elif case.method == "DELETE" or path.endswith("/end"):
            return
        else:
            session_id, _ = _sessions[1]
        if not (path.startswith("/rooms") and case.method == "DELETE"):
            case.path_parameters["session_id"] = session_id
