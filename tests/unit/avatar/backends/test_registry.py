import json
import sys
import time
from pathlib import Path

import pytest

from visavis.agents.schema import AgentConfiguration, VideoConfig
from visavis.avatar.backends import registry
from visavis.avatar.backends.live_avatar import StreamBackend
from visavis.avatar.backends.worker import WorkerBackend
from visavis.server.errors import Problem
from visavis.server.routes import choices
from visavis.settings import Settings

SLOW_PROBE = 'import time; time.sleep(0.5); print(\'{"protocol": 1, "caps": {}}\')'


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Settings:
    faces = {
        "slow": {"command": [sys.executable, "-c", SLOW_PROBE]},
        "gone": {"command": ["/no/such/program"]},
        "far": {"url": "ws://127.0.0.1:9/v1/avatar-stream", "api_key": "k"},
        "near": {"socket": "/no/such.sock"},
    }
    monkeypatch.setenv("VISAVIS_FACES", json.dumps(faces))
    return Settings(_env_file=None)  # type: ignore[call-arg]


def test_a_face_is_a_program_a_socket_or_an_address(config: Settings):
    made = {name: registry.make(name, config) for name in ("slow", "near", "far", "none")}
    kinds = {name: type(backend) for name, backend in made.items()}
    assert kinds == {
        "slow": WorkerBackend,
        "near": WorkerBackend,
        "far": StreamBackend,
        "none": registry.Absent,
    }


async def test_an_unknown_backend_says_so():
    available = await registry.make("none", Settings()).probe()
    assert (available.ok, available.missing) == (False, ("setting VISAVIS_FACES.none",))


def test_choices_tell_what_the_probes_said_and_never_wait_for_them(config: Settings):
    began = time.monotonic()
    first = {face.id: face for face in choices.choices(config).video}
    assert time.monotonic() - began < 0.4, "one probe alone takes 0.5 s"
    assert list(first) == ["puppet", "slow", "gone", "far", "near"]
    assert (first["puppet"].available, first["slow"].available) == (True, False)
    assert "ask again" in first["slow"].reason

    registry.probes(config).wait(20)
    later = {face.id: face for face in choices.choices(config).video}
    assert later["slow"].available
    assert "no program" in later["gone"].reason
    assert "Nobody answers" in later["far"].reason
    assert "Nobody listens" in later["near"].reason


def agent(**video: str) -> AgentConfiguration:
    return AgentConfiguration(video=VideoConfig(**video))  # type: ignore[arg-type]


def test_an_agent_may_have_any_backend_that_is_set_up(config: Settings):
    choices.check(agent(provider="gone", character_id="whoever"), config)
    with pytest.raises(Problem) as caught:
        choices.check(agent(provider="nobody"), config)
    assert caught.value.members["allowed"] == ["puppet", "slow", "gone", "far", "near"]
    with pytest.raises(Problem) as caught:
        choices.check(agent(provider="gone", fallback_character_id="whoever"), config)
    assert "whoever" in caught.value.detail


def test_bithuman_is_offered_once_something_of_it_is_set_up(tmp_path: Path):
    assert registry.names(Settings()) == []
    assert registry.names(Settings(bithuman_models=tmp_path)) == ["bithuman"]
