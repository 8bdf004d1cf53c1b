"""The browser draws what the server draws: the same rig, the same poses, the same pixels."""

import base64
import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, Playwright, Route

from tests.browser.conftest import launch
from visavis.avatar import files, rig, wire
from visavis.avatar.coefficients import Pose, vector
from visavis.avatar.puppet import Puppet
from visavis.media import I420
from visavis.server.routes.meet import WEB

SIDE = 512
LEAST_DB = 32.0
SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def pose(weights: dict[str, float] | None = None, **rest: object) -> Pose:
    return Pose(vector(weights or {}), **rest)  # type: ignore[arg-type]


POSES = {
    "rest": pose(),
    "aa": pose({"jawOpen": 0.55, "mouthLowerDown": 0.3, "mouthUpperUp": 0.2}),
    "a little": pose({"jawOpen": 0.2, "mouthLowerDown": 0.15}),
    "ee": pose({"jawOpen": 0.18, "mouthStretch": 0.4, "mouthUpperUp": 0.3, "mouthLowerDown": 0.4}),
    "oo": pose({"mouthPucker": 0.8, "mouthFunnel": 0.3, "jawOpen": 0.12}),
    "oh": pose({"mouthFunnel": 0.5, "jawOpen": 0.35, "mouthPucker": 0.2}),
    "pp": pose({"mouthPress": 0.5, "mouthRollLower": 0.3, "mouthRollUpper": 0.3}, close=1.0),
    "ff": pose({"mouthRollLower": 0.4, "mouthUpperUp": 0.3, "jawOpen": 0.08}, close=0.3),
    "smile": pose({"mouthSmile": 0.8, "cheekSquint": 0.4}),
    "frown": pose({"mouthFrown": 0.6, "browInnerUp": 0.5, "browDown": 0.2}),
    "surprise": pose({"browInnerUp": 0.8, "browOuterUp": 0.8, "eyeWide": 0.7, "jawOpen": 0.3}),
    "half blink": pose({"eyeBlink": 0.5}),
    "blink": pose({"eyeBlink": 1.0}),
    "wink": pose({"eyeBlinkLeft": 0.9, "mouthSmileLeft": 0.4}),
    "look left": pose(gaze=(-1.0, 0.0)),
    "look up": pose(gaze=(0.3, -1.0)),
    "turned": pose(yaw=0.2, breath=1.0),
    "nodding": pose(pitch=0.13, breath=-1.0),
    "tilted": pose(roll=-0.13),
    "talking": pose(
        {"jawOpen": 0.4, "mouthSmile": 0.3, "eyeBlink": 0.3, "browInnerUp": 0.4},
        **{"yaw": -0.15, "pitch": -0.08, "roll": 0.06, "gaze": (0.5, 0.3), "breath": 0.5},
    ),
}

PAGE = """<!doctype html><canvas id="face" width="512" height="512"></canvas>"""
OPEN = """async ([renderer, rigUrl, kind]) => {
  const { openFace, decodePose } = await import(renderer);
  window.canvas = document.querySelector("canvas");
  window.decodePose = decodePose;
  window.face = await openFace(window.canvas, {
    rigUrl, meshUrl: "/avatars/face.json", deltasUrl: "/avatars/face-deltas.f16",
    ground: { kind },
  }, true);
}"""
DRAW = """(frame) => {
  const bytes = Uint8Array.from(atob(frame), (c) => c.charCodeAt(0));
  window.face.draw(window.decodePose(bytes.buffer).pose);
  const gl = window.canvas.getContext("webgl2");
  const { width, height } = window.canvas;
  const pixels = new Uint8Array(4 * width * height);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  let text = "";
  for (let i = 0; i < pixels.length; i += 8192) {
    text += String.fromCharCode(...pixels.subarray(i, i + 8192));
  }
  return btoa(text);
}"""


@pytest.fixture(scope="module")
def drawing(playwright: Playwright) -> Iterator[Page]:
    """A page that has the renderer, and WebGL2 in software."""
    with contextlib.closing(launch(playwright, *SOFTWARE_GL)) as browser:
        page = browser.new_page()
        page.route("http://face.test/**", _serve)
        page.goto("http://face.test/")
        yield page


def _serve(route: Route) -> None:
    path = route.request.url.removeprefix("http://face.test")
    if path == "/":
        return route.fulfill(body=PAGE, content_type="text/html")
    if path.startswith("/assets/"):
        return route.fulfill(path=WEB / path[1:], content_type="text/javascript")
    if path == "/avatars/face.json":
        return route.fulfill(body=files.mesh_json(), content_type="application/json")
    if path == "/avatars/face-deltas.f16":
        return route.fulfill(body=files.deltas_f16())
    return route.fulfill(body=_rigs()[path])


@cache
def _rigs() -> dict[str, bytes]:
    return {"/ava.avatar": rig.find("ava").read_bytes(), "/bare.avatar": _saved(bare())}


@cache
def bare() -> rig.Rig:
    """As a face from one photo: no keys, no deltas of its own, no pivot, a plain background."""
    ava = rig.load(rig.find("ava"))
    manifest = ava.manifest.model_copy(update={"keys": {}, "pivot": None})
    return replace(ava, manifest=manifest, deltas=None, background=None, keys=())


def _saved(face: rig.Rig) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".avatar") as file:
        rig.save(face, Path(file.name))
        return Path(file.name).read_bytes()


def open_face(
    page: Page, rig_url: str, width: int = SIDE, height: int = SIDE, ground: str = "own"
) -> None:
    [renderer] = (WEB / "assets").glob("renderer-*.js")
    page.evaluate(
        "([w, h]) => { const old = document.querySelector('canvas');"
        "const c = Object.assign(document.createElement('canvas'), {width: w, height: h});"
        "old.replaceWith(c); }",
        [width, height],
    )
    page.evaluate(OPEN, [f"/assets/{renderer.name}", rig_url, ground])


def drawn_there(page: Page, posed: Pose, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """What the browser draws, after the pose's way over the wire: RGBA."""
    frame = base64.b64encode(wire.encode(posed, 0)).decode()
    pixels = np.frombuffer(base64.b64decode(page.evaluate(DRAW, frame)), np.uint8)
    return pixels.reshape(height, width, 4)[::-1]


def drawn_here(puppet: Puppet, posed: Pose) -> np.ndarray:
    """What the server draws, as a receiver of its video would see it: RGB."""
    picture = I420.empty(*puppet.size)
    puppet.draw(posed, picture)
    return cv2.cvtColor(picture.buffer, cv2.COLOR_YUV2RGB_I420)


def as_video(rgba: np.ndarray) -> np.ndarray:
    """The same loss of colour that video has, for a fair comparison."""
    yuv = cv2.cvtColor(np.ascontiguousarray(rgba[..., :3]), cv2.COLOR_RGB2YUV_I420)
    return cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB_I420)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


def test_twenty_poses_look_alike(drawing: Page) -> None:
    open_face(drawing, "/ava.avatar")
    puppet = Puppet(rig.load(rig.find("ava")), size=(SIDE, SIDE))
    rest = drawn_there(drawing, POSES["rest"])
    found = {}
    for name, posed in POSES.items():
        there, here = drawn_there(drawing, posed), drawn_here(puppet, posed)
        found[name] = round(psnr(as_video(there), here), 1)
        print(f"{name:12} {found[name]} dB")
        if name != "rest":
            moved = psnr(there[..., :3], rest[..., :3])
            assert found[name] > moved, f"{name} is as far from the server's as from rest"
    assert len(found) == 20
    assert min(found.values()) >= LEAST_DB, found


def test_a_face_from_a_photo_looks_alike(drawing: Page, tmp_path: Path) -> None:
    """Shared deltas, a painted mouth, eyeballs from the picture itself."""
    open_face(drawing, "/bare.avatar")
    saved = tmp_path / "bare.avatar"
    saved.write_bytes(_rigs()["/bare.avatar"])
    puppet = Puppet(rig.load(saved), size=(SIDE, SIDE))
    for name in ("rest", "aa", "pp", "blink", "look left", "talking"):
        there = drawn_there(drawing, POSES[name])
        assert psnr(as_video(there), drawn_here(puppet, POSES[name])) >= LEAST_DB, name


@pytest.mark.parametrize("size", [(640, 384), (384, 512), (800, 800)])
def test_other_sizes_look_alike(drawing: Page, size: tuple[int, int]) -> None:
    open_face(drawing, "/ava.avatar", *size)
    puppet = Puppet(rig.load(rig.find("ava")), size=size)
    there = drawn_there(drawing, POSES["talking"], *size)
    assert psnr(as_video(there), drawn_here(puppet, POSES["talking"])) >= LEAST_DB


def test_a_transparent_ground_shows_the_page_behind(drawing: Page) -> None:
    open_face(drawing, "/ava.avatar", ground="transparent")
    there = drawn_there(drawing, POSES["turned"])
    assert there[10, 10, 3] == 0
    assert there[256, 256, 3] == 255
    over_green = there[..., :3].astype(float) + (255.0 - there[..., 3:]) / 255 * (0, 177, 64)
    own = drawn_there_own(drawing)
    inside = there[..., 3] > 250
    assert psnr(over_green[inside], own[inside]) > 40


def drawn_there_own(page: Page) -> np.ndarray:
    open_face(page, "/ava.avatar")
    return drawn_there(page, POSES["turned"])[..., :3]


def test_lost_graphics_come_back(drawing: Page) -> None:
    open_face(drawing, "/ava.avatar")
    before = drawn_there(drawing, POSES["smile"])
    lost = drawing.evaluate(
        """async () => {
          const gone = window.canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
          const event = (name) =>
            new Promise((done, never) => {
              window.canvas.addEventListener(name, done, { once: true });
              setTimeout(() => never(new Error(name)), 30_000);
            });
          const away = event("webglcontextlost");
          gone.loseContext();
          await away;
          await new Promise((done) => setTimeout(done)); // the event is over: now it may come back
          const drawn = window.face.draw(window.decodePose(new ArrayBuffer(0))?.pose);
          const back = event("webglcontextrestored");
          gone.restoreContext();
          await back;
          return drawn;
        }"""
    )
    assert lost is False
    assert psnr(drawn_there(drawing, POSES["smile"]), before) > 60
