"""Schemathesis finds nothing: no 5xx, no answer that the OpenAPI does not announce.

A short look. ``python -m benchmarks.schemathesis_run`` looks longer, at either database.
"""

from pathlib import Path

import pytest

from tests.integration.platform_api.fuzzing import fuzz, target


@pytest.mark.timeout(600)
async def test_every_operation_keeps_to_its_description(database_url: str, tmp_path: Path) -> None:
    on_sqlite = database_url.startswith("sqlite")
    # The edges of every parameter take most of the time and hardly touch the database.
    phases = "examples,coverage,stateful" if on_sqlite else "examples,fuzzing"
    async with target(tmp_path / "data", database_url) as server:
        outcome = await fuzz(server, tmp_path, examples=3, seconds=580, phases=phases)
    assert outcome.status == 0, outcome.report
    assert outcome.cases > (1000 if on_sqlite else 150), outcome.report
