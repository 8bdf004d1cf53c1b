"""Blobs in a folder and in memory; what cannot be used is refused in words."""

import importlib.util
import uuid
from pathlib import Path

import pytest

from visavis.storage.blobs import CHUNK, Blobs, BlobsError

CONTENT = bytes(range(256)) * (CHUNK // 128)  # two chunks


@pytest.fixture(params=["folder", "file", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    urls = {
        "folder": str(tmp_path / "a folder"),
        "file": f"file://{tmp_path}/blobs/",
        "memory": f"memory://{uuid.uuid4().hex}",
    }
    return Blobs(urls[request.param])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


async def _read(blobs: Blobs, key: str, first: int, last: int) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(key, first, last)])


async def test_what_was_put_is_read_in_whole_and_in_part(blobs: Blobs, source: Path) -> None:
    await blobs.put("recordings/a.mp4", source)
    assert await blobs.size("recordings/a.mp4") == len(CONTENT)
    assert await _read(blobs, "recordings/a.mp4", 0, len(CONTENT) - 1) == CONTENT
    assert await _read(blobs, "recordings/a.mp4", 5, 5) == CONTENT[5:6]
    across = CHUNK - 10, CHUNK + 10
    assert await _read(blobs, "recordings/a.mp4", *across) == CONTENT[across[0] : across[1] + 1]


async def test_what_was_deleted_is_gone_and_may_be_deleted_again(
    blobs: Blobs, source: Path
) -> None:
    await blobs.put("recordings/a.mp4", source)
    for _ in range(2):
        await blobs.delete("recordings/a.mp4")
        assert await blobs.size("recordings/a.mp4") is None
    with pytest.raises(BlobsError, match="FileNotFoundError"):
        await _read(blobs, "recordings/a.mp4", 0, 1)


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    path = tmp_path / "newer"
    path.write_bytes(b"new")
    return path


async def test_what_is_put_again_replaces(blobs: Blobs, source: Path, newer: Path) -> None:
    await blobs.put("a", source)
    await blobs.put("a", newer)
    assert await blobs.size("a") == 3


async def test_a_store_that_fails_says_so(tmp_path: Path, source: Path) -> None:
    (tmp_path / "in the way").write_bytes(b"")
    blobs = Blobs(str(tmp_path / "in the way"))
    with pytest.raises(BlobsError, match="The store of files failed"):
        await blobs.put("recordings/a.mp4", source)


def test_an_unknown_kind_of_store_is_refused() -> None:
    with pytest.raises(BlobsError, match="carrier-pigeon:// is not known"):
        Blobs("carrier-pigeon://loft")


@pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="s3fs is installed")
def test_s3_without_its_driver_tells_what_to_install() -> None:
    with pytest.raises(BlobsError, match=r"install visavis\[s3\]"):
        Blobs("s3://bucket/recordings")
