"""Loaded by schemathesis: what its schema cannot tell it about this server.

Half of the requests to a session get one that is alive, so that they reach more than a 404.
"""

import itertools
import os

import schemathesis
from schemathesis.generation import GenerationMode

_live_session = os.environ["VISAVIS_LIVE_SESSION"]
_turn = itertools.count()


@schemathesis.hook
def before_load_schema(context, raw_schema) -> None:
    """Made-up idempotency keys come twice, and are then refused rightly; they have own tests."""
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            operation["parameters"] = [
                parameter
                for parameter in operation.get("parameters", [])
                if parameter["name"] != "Idempotency-Key"
            ]


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if case.query:
        case.query.pop("cursor", None)  # opaque: only the server can make one
    path = case.operation.path
    ending = case.method == "DELETE" or path.endswith("/end")
    if path.startswith("/v1/session/{session_id}") and not ending and next(_turn) % 2:
        case.path_parameters["session_id"] = _live_session
