"""The doctor's checks: each looks at one thing and says what it saw and what to do."""

import importlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from visavis.settings import settings

_DISK_WARN = 2_000_000_000
_CAP_SYS_NICE = 1 << 23
_UDP_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """``fail``: visavis cannot work; ``warn``: it can, but less well."""

    verdict: Literal["ok", "warn", "fail"]
    saw: str
    advice: str = ""


Check = Callable[[], Finding]


def all_checks(deep: bool) -> list[tuple[str, Check]]:
    """What to look at, in the order in which things depend on each other."""
    return [
        ("Python", python),
        ("Packages", packages),
        ("Models", partial(models, deep)),
        ("Port", port),
        ("UDP", udp),
        ("Network", host_candidates),
        ("WebRTC engine", engine),
        ("VP8", vp8),
        ("Opus", opus),
        ("Web page", web),
        ("Disk", disk),
        ("Processor", cores),
        ("Priority", priority),
    ]


def run(check: Check) -> Finding:
    """The finding; a check that itself breaks is a finding too."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (whatever breaks here is what the user must hear)
        return Finding("fail", f"{type(error).__name__}: {error}", "Run: make setup")


def python() -> Finding:
    return Finding("ok", f"{sys.version.split()[0]} in {sys.prefix}")


def packages() -> Finding:
    """Every dependency of the installed package, by its own metadata."""
    needed = [re.split(r"[\s\[<>=!~;(]", line, maxsplit=1)[0] for line in requires("visavis") or []]
    missing: list[str] = []
    for name in needed:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("fail", f"missing: {', '.join(missing)}", "Run: make setup")
    return Finding("ok", f"{len(needed)} dependencies of visavis {version('visavis')}")


def models(deep: bool) -> Finding:
    from visavis.models.catalogue import MODELS
    from visavis.models.download import verify

    default = [model for model in MODELS.values() if model.tier == "default"]
    missing = [model.name for model in default if not model.present]
    if missing:
        return Finding("fail", f"missing: {', '.join(missing)}", "Run: visavis models pull")
    size = f"{len(default)} models, {sum(model.size for model in default) / 1e6:.0f} MB"
    if not deep:
        return Finding("ok", f"{size}, sizes right (--deep hashes them)")
    problems = [problem for model in default for problem in verify(model)]
    if problems:
        advice = f"Delete {settings().models_dir} and run: visavis models pull"
        return Finding("fail", " ".join(problems), advice)
    return Finding("ok", f"{size}, hashes right")


def port() -> Finding:
    config = settings()
    address = f"{config.host}:{config.port}"
    with socket.socket(socket.AF_INET6 if ":" in config.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            if _is_ours(f"http://{address}"):
                return Finding("ok", f"{address} is our own server, running")
            advice = "Another program has it: set VISAVIS_PORT, or visavis serve --port 8000."
            return Finding("fail", f"{address}: {(error.strerror or '').lower()}", advice)
    return Finding("ok", f"{address} is free")


def _is_ours(url: str) -> bool:
    import httpx

    try:
        answer: Any = httpx.get(f"{url}/readyz", timeout=2, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(answer, dict) and "ready" in answer


def udp() -> Finding:
    """A packet to ourselves, through the range that media may use."""
    first, last = settings().udp_ports or (0, 0)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
    ):
        here.settimeout(_UDP_TIMEOUT_S)
        try:
            here.bind(("127.0.0.1", first))
            there.sendto(b"visavis", here.getsockname())
            here.recv(16)
        except OSError as error:
            return Finding("fail", f"{error}", "Media needs UDP: see VISAVIS_UDP_PORTS.")
    return Finding("ok", f"open, ports {first}-{last}" if first else "open, any port")


def host_candidates() -> Finding:
    """The addresses at which browsers on other machines could reach our media."""
    from aioice.ice import get_host_addresses

    addresses = get_host_addresses(use_ipv4=True, use_ipv6=True)
    if not addresses:
        return Finding(
            "warn",
            "no address but loopback",
            "Calls work in a browser on this machine only where it offers loopback candidates.",
        )
    return Finding("ok", ", ".join(addresses[:4]))


def engine() -> Finding:
    try:
        importlib.import_module("reactor_webrtc")
    except ImportError as error:
        importlib.import_module("aiortc")
        return Finding("warn", f"aiortc ({error})", "Works, at four times the processor time.")
    return Finding("ok", f"reactor-webrtc {version('reactor-webrtc')}")


def vp8() -> Finding:
    """Encode a picture, decode it, and compare sizes."""
    import av

    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width = encoder.height = 64
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    decoder: Any = av.CodecContext.create("vp8", "r")
    packets = [*encoder.encode(av.VideoFrame(64, 64, "yuv420p")), *encoder.encode(None)]
    pictures = [picture for packet in packets for picture in decoder.decode(packet)]
    if not pictures or pictures[0].width != 64:
        return Finding("fail", "a picture did not survive", "Reinstall PyAV: pip install -U av")
    return Finding("ok", f"encodes and decodes (PyAV {version('av')})")


def opus() -> Finding:
    """Encode a second of silence and decode it."""
    import av
    import numpy as np

    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.format, encoder.layout, encoder.sample_rate = "s16", "mono", 48_000
    decoder: Any = av.CodecContext.create("opus", "r")
    decoder.layout, decoder.sample_rate = "mono", 48_000
    packets: list[Any] = []
    for index in range(50):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts = 48_000, index * 960
        packets += encoder.encode(frame)
    samples = sum(frame.samples for packet in packets for frame in decoder.decode(packet))
    if samples < 40_000:
        return Finding("fail", f"only {samples} of 48000 samples survived", "Reinstall PyAV.")
    return Finding("ok", "encodes and decodes")


def web() -> Finding:
    page = Path(str(files("visavis") / "web" / "meet.html"))
    if page.is_file():
        return Finding("ok", "built")
    node = shutil.which("node")
    if node is None:
        return Finding("warn", "not built", "Install Node 20 and run: make web")
    found = subprocess.run([node, "--version"], check=False, capture_output=True, timeout=10)
    saw = f"not built (Node {found.stdout.decode().strip()})"
    return Finding("warn", saw, "Run: make web. Sessions work without it; the page does not.")


def disk() -> Finding:
    place = settings().models_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    saw = f"{free / 1e9:.1f} GB free at {place}"
    if free < _DISK_WARN:
        return Finding("warn", saw, "The models take 1.2 GB while they are fetched.")
    return Finding("ok", saw)


def cores() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (count or 1) < 2:
        return Finding("warn", "1 core", "Speech and picture will stutter: two are needed.")
    return Finding("ok", f"{count} cores")


def priority() -> Finding:
    """With CAP_SYS_NICE libwebrtc makes its threads real-time ones, which starve all others."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return Finding("ok", "not Linux")
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", status.read_text(), re.MULTILINE)
    if effective and int(effective[1], 16) & _CAP_SYS_NICE:
        return Finding(
            "warn",
            "this process may set real-time priorities (CAP_SYS_NICE)",
            "visavis gives that up in its workers; better not to run it as root at all.",
        )
    return Finding("ok", "no special rights")
