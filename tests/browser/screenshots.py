"""Take the pictures in docs/screenshots: ``python -m tests.browser.screenshots``.

One real call, looked at from a desk and from a phone, by day and by night.
"""

import re
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import PATIENCE_MS, launch
from tests.browser.house import open_house

OUT = Path("docs/screenshots")
SIZES = {"desktop": (1440, 900), "phone": (375, 812)}
SCHEMES = ("light", "dark")
QUESTION = "What can you help me with?"


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=3 * PATIENCE_MS)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_house(Path(folder)) as house,
        sync_playwright() as playwright,
    ):
        fake = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
        page = launch(playwright, *fake).new_page()
        _talk(page, f"{house.url}/meet/demo")
        refused = launch(playwright).new_page()
        refused.goto(f"{house.url}/meet/demo")
        refused.get_by_role("button", name="Talk to Ava").click()
        expect(refused.get_by_role("alert")).to_be_visible()
        _shoot(refused, "no-microphone")


def _talk(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.get_by_role("img", name="Portrait of Ava")).to_be_visible()
    _shoot(page, "ready")
    page.get_by_role("button", name="Talk to Ava").click()
    expect(page.locator("#captions .agent:not(.open)")).to_be_visible()
    page.get_by_label("Type a message").fill(QUESTION)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("#captions .user ~ .agent").last).to_be_visible()
    _shoot(page, "live")
    page.get_by_role("button", name="End the call").click()
    expect(page.get_by_role("link", name="Transcript")).to_have_attribute(
        "href", re.compile("^blob:")
    )
    _shoot(page, "ended")


def _shoot(page: Page, name: str) -> None:
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(1_000)  # let the fades end
            path = OUT / f"meet-{name}-{size}-{scheme}.jpg"
            page.screenshot(path=path, type="jpeg", quality=88)
            print(path)


if __name__ == "__main__":
    main()
