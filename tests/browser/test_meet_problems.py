"""The hosted page when something is wrong: what it says, and what one can do."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.house import House


def _says(page: Page, title: str) -> None:
    expect(page.get_by_role("alert").get_by_role("heading", name=title)).to_be_visible()


def _start(page: Page) -> None:
    page.get_by_role("button", name="Talk to Ava").click()


def _join(page: Page) -> None:
    _start(page)
    expect(page.locator("body")).to_have_attribute("data-phase", "live")
    expect(page.locator("#face")).to_have_attribute("data-live", "")


def test_unknown_agent(house: House, browser: Browser, open_page: Callable[..., Page]) -> None:
    page = open_page(browser, f"{house.url}/meet/nobody", expected="404")
    _says(page, "There is nobody at this address")
    expect(page.locator("#retry")).to_be_hidden()


def test_no_microphone_then_typing(
    house: House, deaf_browser: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page(deaf_browser, f"{house.url}/meet/demo", permissions=["microphone"])
    _start(page)
    _says(page, "No microphone found")
    page.get_by_role("button", name="Continue by typing").click()
    expect(page.locator("body")).to_have_attribute("data-phase", "live")
    expect(page.locator("body")).to_have_attribute("data-microphone", "none")
    expect(page.locator("#activity")).to_have_text("Listening", timeout=90_000)
    page.get_by_label("Type a message").fill("Hello, who are you?")
    page.keyboard.press("Enter")
    reply = page.locator("#captions .user ~ .agent")
    expect(reply.last).to_be_visible(timeout=90_000)
    page.get_by_role("button", name="End the call").click()


def test_permission_refused(house: House, browser: Browser, open_page: Callable[..., Page]) -> None:
    page = open_page(browser, "about:blank")
    # The fake device is always allowed; what a refusal looks like is fixed by the standard.
    page.add_init_script(
        """MediaDevices.prototype.getUserMedia = () =>
             Promise.reject(new DOMException("Permission denied", "NotAllowedError"));"""
    )
    page.goto(f"{house.url}/meet/demo")
    _start(page)
    _says(page, "The microphone is blocked")
    expect(page.get_by_role("button", name="Try again")).to_be_focused()
    expect(page.get_by_role("button", name="Continue by typing")).to_be_visible()


def test_server_full(house: House, browser: Browser, open_page: Callable[..., Page]) -> None:
    taken: list[str] = []
    while (answer := house.call("/v1/start-agent-session", {"agentId": "demo"}))[0] == 200:
        taken.append(answer[1]["sessionId"])
        assert len(taken) < 10
    try:
        page = open_page(browser, "about:blank", expected="503")
        page.clock.install()
        page.goto(f"{house.url}/meet/demo")
        _start(page)
        _says(page, "Everyone is in a conversation")
        expect(page.locator("#retry")).to_be_disabled()
        expect(page.locator("#retry")).to_contain_text("Try again in")
    finally:
        for session_id in taken:
            house.call(f"/v1/session/{session_id}/end", {})
    page.clock.fast_forward(60_000)
    expect(page.locator("#retry")).to_be_enabled()
    page.locator("#retry").click()
    expect(page.locator("body")).to_have_attribute("data-phase", "live")


def test_the_server_ends_the_session(
    house: House, browser: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page(browser, f"{house.url}/meet/demo")
    with page.expect_response("**/v1/start-agent-session") as started:
        _start(page)
    expect(page.locator("body")).to_have_attribute("data-phase", "live")
    house.call(f"/v1/session/{started.value.json()['sessionId']}/end", {})
    expect(page.get_by_role("heading", name="Ava ended the call")).to_be_visible()


def test_a_break_in_the_connection(
    house: House, browser: Browser, open_page: Callable[..., Page]
) -> None:
    """The worker stands still for a moment, so no packet arrives; then the call goes on."""
    page = open_page(browser, f"{house.url}/meet/demo")
    _join(page)
    page.locator("#notice").evaluate(
        """notice => new MutationObserver(() => { window.wasInterrupted ||= !notice.hidden; })
          .observe(notice, { attributes: true })"""
    )
    workers = _workers(house)
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    # Longer than the page waits for packets, shorter than the server waits for its worker.
    page.wait_for_timeout(3_700)
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    page.wait_for_function("() => window.wasInterrupted")
    expect(page.get_by_text("Reconnecting…")).to_be_hidden()
    expect(page.locator("body")).to_have_attribute("data-phase", "live")


def test_connection_lost(house: House, browser: Browser, open_page: Callable[..., Page]) -> None:
    """The worker dies: a clear word, and calling again works."""
    page = open_page(browser, f"{house.url}/meet/demo")
    _join(page)
    for worker in _workers(house):
        os.kill(worker, signal.SIGKILL)
    _says(page, "The connection was lost")
    house.wait_ready()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("body")).to_have_attribute("data-phase", "live")


def _workers(house: House) -> list[int]:
    """The processes that host sessions, among all that the server started."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_text()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if "worker" in command and parent == house.process.pid:
            found.append(int(entry.name))
    assert found
    return found
