import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

import visavis
from visavis.cli import app

_HEAVY = ("numba", "cv2", "onnxruntime", "xllamacpp", "faster_whisper", "aiortc", "reactor_webrtc")


def test_every_command_is_there() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    for command in ("serve", "talk", "demo", "doctor", "agents", "models"):
        assert command in shown.output


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.strip() == f"visavis {visavis.__version__}"


def test_the_command_line_starts_light() -> None:
    """``--help`` must not load models' runtimes or media libraries."""
    program = f"import visavis.cli, sys; print([m for m in {_HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_talk_needs_something_to_say() -> None:
    assert CliRunner().invoke(app, ["talk"]).exit_code == 2


def test_talk_says_plainly_that_nobody_answers(tmp_path: Path) -> None:
    sound = tmp_path / "not-sound.wav"
    sound.write_bytes(b"x")
    refused = CliRunner().invoke(app, ["talk", "--wav", str(sound)])
    assert refused.exit_code == 1
    assert "cannot be read" in refused.output
    assert "Traceback" not in refused.output
