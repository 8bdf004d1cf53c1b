"""Schemathesis finds nothing: no 5xx, no answer that the OpenAPI does not announce.

A short look. ``python -m benchmarks.schemathesis_run`` looks longer, at either database.
"""

from pathlib import Path

import pytest

from tests.integration.platform_api.fuzzing import answered, fuzz, target


@pytest.mark.timeout(400)
async def test_every_operation_keeps_to_its_description(database_url: str, tmp_path: Path) -> None:
    # The edges of every parameter ("coverage") take minutes: they are for the long look.
    phases = "examples,fuzzing,stateful"
    async with target(tmp_path / "data", database_url) as server:
        outcome = await fuzz(server, tmp_path, examples=3, seconds=280, phases=phases)
        answers = await answered(server)
    assert outcome.status == 0, outcome.output
    assert outcome.cases > 150, outcome.output
    assert outcome.operations == outcome.report["operations"]["total"], outcome.output
    assert not [status for status in answers if status >= 500], answers
