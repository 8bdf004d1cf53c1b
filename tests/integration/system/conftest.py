"""The whole product, as `visavis serve` runs it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from visavis.cli.own_server import own_server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for mark in (pytest.mark.models, pytest.mark.timeout(240)):
                item.add_marker(mark)


@dataclass(frozen=True)
class Server:
    url: str
    database: Path


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two workers and the embedded models."""
    folder = tmp_path_factory.mktemp("server")
    with own_server(Console(), folder / "log", data_dir=folder / "data") as url:
        yield Server(url, folder / "data" / "visavis.db")
