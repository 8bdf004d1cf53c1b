"""The hosted page: a person comes, talks, types, mutes and leaves."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, Response, Route, expect

from tests.browser.conftest import QUESTION
from tests.browser.house import House

HEARD = (Path(__file__).parent / "heard.js").read_text()
SPEECH_RMS = 0.01
_ANSWER_MS = 90_000
"""A turn takes about a second; on a machine busy with other tests it may take long."""


def _started(response: Response) -> bool:
    return response.url.endswith("/v1/start-agent-session")


def _call(page: Page) -> str:
    """Start talking; returns the session's id once the face is live."""
    with page.expect_response(_started) as started:
        page.get_by_role("button", name="Talk to Ava").click()
    expect(page.locator("body")).to_have_attribute("data-phase", "live")
    expect(page.locator("#face")).to_have_attribute("data-live", "")
    return started.value.json()["sessionId"]


def _hold_back(route: Route) -> None:
    """Neither answer nor abort: the server takes for ever."""


def _frames(page: Page) -> int:
    return page.evaluate(
        "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
    )


def test_nothing_starts_before_a_click(
    house: House, browser: Browser, open_page: Callable[..., Page]
) -> None:
    asked: list[str] = []
    page = open_page(browser, "about:blank")
    page.on("request", lambda request: asked.append(request.method + " " + request.url))
    page.goto(f"{house.url}/meet/demo")
    expect(page.get_by_role("heading", name="Ava")).to_be_visible()
    expect(page.get_by_role("img", name="Portrait of Ava")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert all(request.startswith("GET " + house.url) for request in asked)
    assert page.evaluate("document.querySelector('#portrait').naturalWidth") >= 256


def test_a_conversation(house: House, browser: Browser, open_page: Callable[..., Page]) -> None:
    page = open_page(browser, f"{house.url}/meet/demo")
    session_id = _call(page)
    before = _frames(page)
    page.locator("video").evaluate(HEARD)

    # The agent greets: heard, and captioned as it speaks.
    expect(page.locator("#captions .agent").first).to_contain_text("Ava", timeout=_ANSWER_MS)
    page.wait_for_function("level => window.heard > level", arg=SPEECH_RMS)
    # The visitor's spoken question is captioned and answered.
    question = page.locator("#captions .user", has_text="moon").first
    expect(question).to_be_visible(timeout=_ANSWER_MS)
    page.keyboard.press("m")
    expect(page.locator("#mute")).to_have_accessible_name("Unmute the microphone (M)")
    expect(page.locator("#captions .user ~ .agent").last).to_be_visible(timeout=_ANSWER_MS)
    # So is a typed one.
    page.get_by_label("Type a message").fill("What is your name?")
    page.get_by_role("button", name="Send").click()
    typed = page.locator("#captions .user", has_text="What is your name?")
    expect(typed).to_have_count(1)
    reply = page.locator("#captions .user:has-text('your name?') ~ .agent")
    expect(reply.last).to_be_visible(timeout=_ANSWER_MS)

    assert _frames(page) > before + 25
    page.get_by_role("button", name="End the call").click()
    expect(page.get_by_role("heading", name="Call ended")).to_be_visible()
    expect(page.get_by_role("link", name="Transcript")).to_have_attribute(
        "href", re.compile("^blob:")
    )
    house.wait_until(lambda: house.session(session_id)["state"] == "ended", 15, "session ended")
    record = house.session(session_id)
    assert record["end_reason"] == "user_left"
    assert any("moon" in turn["user_text"].lower() for turn in record["turns"]), QUESTION


def test_muting_sends_silence(
    house: House, browser: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page(browser, "about:blank")
    page.add_init_script(
        """const open = MediaDevices.prototype.getUserMedia;
        MediaDevices.prototype.getUserMedia = async function (wanted) {
          window.wanted = wanted;
          const stream = await open.call(this, wanted);
          window.track = stream.getAudioTracks()[0];
          return stream;
        };"""
    )
    page.goto(f"{house.url}/meet/demo")
    _call(page)
    assert page.evaluate("window.wanted.audio.echoCancellation") is True
    mute = page.get_by_role("button", name="Mute the microphone")
    mute.click()
    assert page.evaluate("window.track.enabled") is False
    page.get_by_role("button", name="Unmute the microphone").click()
    assert page.evaluate("window.track.enabled") is True
    page.get_by_role("button", name="End the call").click()
    assert page.evaluate("window.track.readyState") == "ended"


def test_the_keyboard_alone_is_enough(
    house: House, browser: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page(browser, f"{house.url}/meet/demo")
    expect(page.get_by_role("heading", name="Ava")).to_be_visible()
    page.keyboard.press("Space")
    expect(page.locator("body")).to_have_attribute("data-phase", "live")
    page.keyboard.press("m")
    expect(page.locator("body")).to_have_attribute("data-microphone", "muted")
    page.keyboard.press("/")
    expect(page.get_by_label("Type a message")).to_be_focused()
    page.keyboard.type("Hello m /")
    page.keyboard.press("Enter")
    expect(page.locator("#captions .user")).to_have_text("Hello m /")
    page.keyboard.press("Escape")
    expect(page.locator("#captions")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="End the call")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Talk again")).to_be_focused()


def test_connecting_can_be_cancelled(
    house: House, browser: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page(browser, f"{house.url}/meet/demo")
    page.route("**/api/offer", _hold_back)
    with page.expect_response(_started) as started:
        page.get_by_role("button", name="Talk to Ava").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Talk to Ava")).to_be_focused()
    session_id = started.value.json()["sessionId"]
    house.wait_until(lambda: house.session(session_id)["state"] == "ended", 10, "session ended")


def test_the_picture_does_not_move(
    house: House, browser: Browser, open_page: Callable[..., Page]
) -> None:
    """From the portrait to the live face and back, no layout shifts."""
    page = open_page(browser, f"{house.url}/meet/demo")
    expect(page.get_by_role("heading", name="Ava")).to_be_visible()
    before = page.locator("#face").bounding_box()
    _call(page)
    assert page.locator("#face").bounding_box() == before
    page.get_by_role("button", name="End the call").click()
    expect(page.get_by_role("heading", name="Call ended")).to_be_visible()
    assert page.locator("#face").bounding_box() == before
