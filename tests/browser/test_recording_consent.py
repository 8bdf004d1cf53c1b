"""The page of an agent that records: it asks, obeys, and shows what it does."""

import contextlib
import re
import time
import urllib.request
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.house import House

CONSENT = "If you agree, this conversation is recorded: your voice, and Ava’s voice and picture."


@pytest.fixture(scope="module")
def recorder(house: House) -> str:
    """The id of an agent that records."""
    status, agent = house.call(
        "/v1/agent",
        {
            "name": "Ava",
            "publish_status": "public",
            "configuration": {
                "llm": {"first_message": "Hello, I am Ava, and I am glad that you came."},
                "recording": {"enabled": True},
            },
        },
    )
    assert status == 201, agent
    return agent["id"]


def _talk(page: Page, button: str) -> str:
    """Answer the page's question; the session's id once the agent has spoken."""
    with page.expect_response(lambda r: r.url.endswith("/v1/start-agent-session")) as started:
        page.get_by_role("button", name=button).click()
    expect(page.locator("body")).to_have_attribute("data-phase", "live")
    expect(page.locator("#captions .agent:not(.open)").first).to_be_visible(timeout=90_000)
    return started.value.json()["sessionId"]


def _hang_up(page: Page, house: House, session_id: str) -> None:
    page.get_by_role("button", name="End the call").click()
    house.wait_until(lambda: house.session(session_id)["state"] == "ended", 30, "it ended")


def test_who_accepts_is_recorded_and_sees_it(
    house: House, recorder: str, browser: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page(browser, f"{house.url}/meet/{recorder}")
    question = page.get_by_role("group", name=CONSENT)
    expect(question).to_be_visible()
    expect(page.get_by_role("button", name="Talk to Ava")).to_be_hidden()
    page.keyboard.press("Enter")  # nobody consents by accident
    expect(page.locator("body")).to_have_attribute("data-phase", "ready")

    session_id = _talk(page, "Accept and talk")
    mark = page.locator("#recorded")
    expect(mark).to_be_visible()
    expect(page.locator("#timer")).to_have_text(re.compile("^0:0[3-9]"))  # something to record
    _hang_up(page, house, session_id)
    expect(mark).to_be_hidden()

    url = f"{house.url}/v1/session/{session_id}/recording"
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url) as answer:
            assert answer.headers["Content-Type"] == "video/mp4"
            assert b"ftyp" in answer.read()[:16]
            break
        assert time.monotonic() < deadline, "no recording"
        time.sleep(0.3)

    # It plays where it was made. (A blank page: the call's own policy lets no other media in.)
    viewer = open_page(browser, url)
    viewer.wait_for_function(
        "(v => v && v.readyState >= 2 && v.videoWidth === 512 && v.duration > 1)"
        "(document.querySelector('video'))"
    )
    # Every conversation is asked for anew.
    page.get_by_role("button", name="Talk again").click()
    expect(question).to_be_visible()
    expect(page.get_by_role("button", name="Accept and talk")).to_be_focused()


def test_who_declines_talks_unrecorded(
    house: House, recorder: str, browser: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page(browser, f"{house.url}/meet/{recorder}")
    expect(page.get_by_role("group", name=CONSENT)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Accept and talk")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Talk without recording")).to_be_focused()
    with page.expect_response(lambda r: r.url.endswith("/v1/start-agent-session")) as started:
        page.keyboard.press("Enter")
    session_id = started.value.json()["sessionId"]
    expect(page.locator("#captions .agent:not(.open)").first).to_be_visible(timeout=90_000)
    expect(page.locator("#recorded")).to_be_hidden()
    _hang_up(page, house, session_id)
    status, problem = house.call(f"/v1/session/{session_id}/recording", method="GET")
    assert (status, problem["code"]) == (404, "recording_not_found")
