"""A call whose face the browser draws: it moves, no video is sent, and it is never blank."""

import contextlib
import wave
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser.conftest import launch
from tests.browser.house import House
from tests.browser.test_renderer import SOFTWARE_GL

_ANSWER_MS = 90_000
SMALL = {"width": 360, "height": 640}
"""WebGL2 in software costs by the pixel."""
KEEP_PEER = """
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) { super(...given); window.peer = this; }
};"""
VIDEO_BYTES = """async () => {
  for (const stat of (await window.peer.getStats()).values()) {
    if (stat.type === "inbound-rtp" && stat.kind === "video") return stat.bytesReceived;
  }
  return 0;
}"""
"""Of pictures; libwebrtc measures the link with a few empty packets, which do not count."""
SOUND_BYTES = VIDEO_BYTES.replace('"video"', '"audio"')
SEE = """() => {
  const from = document.querySelector("canvas.drawn");
  const to = Object.assign(document.createElement("canvas"), { width: 96, height: 96 });
  const context = to.getContext("2d");
  context.drawImage(from, 0, 0, 96, 96);
  return [...context.getImageData(0, 0, 96, 96).data];
}"""


@pytest.fixture(scope="module")
def drawing_browser(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """Chromium with WebGL2 in software, and a visitor who keeps silent."""
    silence = tmp_path_factory.mktemp("silence") / "silence.wav"
    with wave.open(str(silence), "wb") as out:
        out.setparams((1, 2, 48_000, 0, "NONE", ""))
        out.writeframes(bytes(2 * 48_000))
    with contextlib.closing(
        launch(
            playwright,
            *SOFTWARE_GL,
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={silence}",
        )
    ) as browser:
        yield browser


def _call(page: Page, house: House) -> dict:
    page.add_init_script(KEEP_PEER)
    page.goto(f"{house.url}/meet/demo?render=client")
    with page.expect_response(lambda r: r.url.endswith("/v1/start-agent-session")) as started:
        page.get_by_role("button", name="Talk to Ava").click()
    expect(page.locator("#face")).to_have_attribute("data-drawn", "")
    return started.value.json()


def _difference(one: list[int], other: list[int]) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def test_the_face_moves_and_no_video_is_sent(
    house: House, drawing_browser: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page(drawing_browser, "about:blank", viewport=SMALL)
    avatar = _call(page, house)["avatar"]
    assert avatar["rigUrl"] == f"{house.url}/avatars/ava/rig.avatar"
    expect(page.locator("#captions .agent").first).to_be_visible(timeout=_ANSWER_MS)
    seen = []
    for _ in range(12):
        seen.append(page.evaluate(SEE))
        page.wait_for_timeout(250)
    assert max(seen[0][3::4]) == 255
    assert len(set(seen[0])) > 50, "there is a face"
    assert max(_difference(seen[0], one) for one in seen) > 0.5, "and it moves"
    assert page.evaluate(SOUND_BYTES) > 10_000
    assert page.evaluate(VIDEO_BYTES) == 0
    page.get_by_role("button", name="End the call").click()
    expect(page.locator("canvas.drawn")).to_have_count(0)


def test_when_the_graphics_are_lost_video_takes_over(
    house: House, drawing_browser: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page(drawing_browser, "about:blank", viewport=SMALL, expected="CONTEXT_LOST")
    _call(page, house)
    assert page.evaluate(VIDEO_BYTES) == 0
    page.evaluate(
        "document.querySelector('canvas.drawn').getContext('webgl2')"
        ".getExtension('WEBGL_lose_context').loseContext()"
    )
    expect(page.locator("#face")).not_to_have_attribute("data-drawn", "")
    page.wait_for_function(
        "() => document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames > 25"
    )
    page.get_by_role("button", name="End the call").click()


def test_a_browser_without_graphics_gets_video(
    house: House, browser: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page(browser, f"{house.url}/meet/demo?render=server")
    with page.expect_response(lambda r: r.url.endswith("/v1/start-agent-session")) as started:
        page.get_by_role("button", name="Talk to Ava").click()
    assert started.value.json()["avatar"] is None
    page.wait_for_function(
        "() => document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames > 5"
    )
    expect(page.locator("canvas.drawn")).to_have_count(0)
    page.get_by_role("button", name="End the call").click()
