import socket

import pytest

from visavis.cli import checks
from visavis.cli.checks import Finding
from visavis.settings import Settings


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Settings:
    config = Settings(host="127.0.0.1")
    monkeypatch.setattr(checks, "settings", lambda: config)
    return config


@pytest.mark.parametrize("check", [checks.python, checks.vp8, checks.opus, checks.cores])
def test_what_works_here_is_found_to_work(check: checks.Check) -> None:
    assert checks.run(check).verdict == "ok"


def test_udp_is_tried_for_real(configured: Settings) -> None:
    assert checks.udp().verdict == "ok"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        configured.udp_ports = (number, number)
        assert checks.udp().verdict == "fail"


def test_a_taken_port_is_a_failure_with_advice(configured: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        configured.port = other.getsockname()[1]
        finding = checks.port()
    assert finding.verdict == "fail"
    assert "VISAVIS_PORT" in finding.advice


def test_missing_models_name_the_command(
    configured: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    empty = configured.model_copy(update={"models_dir": tmp_path})
    monkeypatch.setattr("visavis.models.catalogue.settings", lambda: empty)
    finding = checks.models(deep=False)
    assert finding.verdict == "fail"
    assert "visavis models pull" in finding.advice


def test_a_check_that_breaks_is_a_finding() -> None:
    def broken() -> Finding:
        raise OSError("no such thing")

    assert checks.run(broken) == Finding("fail", "OSError: no such thing", "Run: make setup")
