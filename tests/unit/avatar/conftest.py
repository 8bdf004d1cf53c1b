from collections.abc import Callable
from pathlib import Path

import pytest

from visavis.avatar import rig
from visavis.avatar.base import Phase, Playhead
from visavis.avatar.rig import Rig

Frame = Callable[..., Playhead]


@pytest.fixture(scope="session")
def ava() -> Rig:
    return rig.load(rig.find("ava"))


@pytest.fixture(scope="session")
def bare(ava: Rig) -> Rig:
    """Ava as a mere portrait: no keys, no movements of her own."""
    manifest = ava.manifest.model_copy(update={"keys": {}, "id": "bare"})
    return Rig(manifest, ava.texture, ava.landmarks, ava.portrait)


@pytest.fixture
def saved(bare: Rig, tmp_path: Path) -> Path:
    path = tmp_path / "bare.avatar"
    rig.save(bare, path)
    return path


@pytest.fixture(scope="session")
def at() -> Frame:
    """A playhead: seconds on the clock, a phase that began at 0, a place in turn 1's speech."""

    def playhead(
        second: float,
        phase: Phase = Phase.SPEAKING,
        *,
        since: float = 0.0,
        turn: int = 1,
        position: float | None = None,
    ) -> Playhead:
        return Playhead(round(second * 1e6), phase, round(since * 1e6), turn, position)

    return playhead
