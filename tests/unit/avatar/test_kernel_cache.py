import os
from pathlib import Path

import pytest

from visavis.avatar import kernel_cache


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing can be written but what tempfile names."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(kernel_cache, "_writable", lambda _: False)
    return tmp_path


def test_a_place_of_our_own_is_the_last_resort_and_kept(nowhere: Path) -> None:
    kernel_cache.provide()
    first = Path(os.environ.pop("NUMBA_CACHE_DIR"))
    kernel_cache.provide()
    assert Path(os.environ.pop("NUMBA_CACHE_DIR")) == first
    assert first.parent == nowhere
    assert first.stat().st_mode & 0o777 == 0o700


def test_a_place_that_others_can_write_is_not_trusted(nowhere: Path) -> None:
    planted = nowhere / f"visavis-kernels-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    kernel_cache.provide()
    chosen = Path(os.environ.pop("NUMBA_CACHE_DIR"))
    assert chosen != planted
    assert chosen.stat().st_mode & 0o077 == 0


def test_what_the_operator_set_is_kept(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/elsewhere")
    kernel_cache.provide()
    assert os.environ["NUMBA_CACHE_DIR"] == "/elsewhere"
