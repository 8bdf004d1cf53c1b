"""Loaded by schemathesis: what its schema cannot tell it about this server.

Half of the well-formed requests to a session get one that is alive, so that they reach more than a
404; ICE candidates for its room come from the peer that joined.
"""

import itertools
import json
import os

import schemathesis
from schemathesis.generation import GenerationMode

_live = json.loads(os.environ["VISAVIS_LIVE_SESSION"])
_turn = itertools.count()
_keys = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    ending = case.method == "DELETE" or case.operation.path.endswith("/end")
    if ending and case.path_parameters.get("session_id") == _live["session_id"]:
        case.path_parameters["session_id"] = "another"  # a list told its id; others may end
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if case.query:
        case.query.pop("cursor", None)  # opaque: only the server can make one
    if case.headers and "Idempotency-Key" in case.headers:
        # Made-up ones come twice, with different bodies, and would then be refused rightly.
        case.headers["Idempotency-Key"] = f"key-{next(_keys)}"
    if "session_id" in case.path_parameters and not ending and next(_turn) % 2:
        case.path_parameters["session_id"] = _live["session_id"]
        if case.operation.path.startswith("/rooms/") and isinstance(case.body, dict):
            case.body["pc_id"] = _live["pc_id"]
