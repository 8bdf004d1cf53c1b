"""Debian's Chromium with a microphone that plays speech, and the server it calls."""

import contextlib
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tests.browser.house import House, open_house

CHROMIUM = "/usr/bin/chromium"
QUESTION = "How far away is the moon?"
PATIENCE_MS = 30_000
"""The machine may be busy with other tests; none of these measure time."""
LEAD_S = 3.0
"""Silence before the question: the fake microphone starts with the call."""

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the browser and the models, and its own time limit."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for mark in (pytest.mark.browser, pytest.mark.models, pytest.mark.timeout(300)):
                item.add_marker(mark)


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV for the fake microphone: silence, the question, silence."""
    from visavis.caller.voices import speak

    pcm = speak(QUESTION).pcm
    rest = np.zeros(int(48_000 * LEAD_S), np.int16)
    path = tmp_path_factory.mktemp("speech") / "question.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 48_000, 0, "NONE", ""))
        out.writeframes(np.concatenate([rest, pcm, rest]).tobytes())
    return path


def launch(playwright: Playwright, *arguments: str) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=[*_ARGUMENTS, *arguments])


@pytest.fixture(scope="package")
def browser(playwright: Playwright, speech: Path) -> Iterator[Browser]:
    """Chromium whose microphone is allowed and asks the question again and again."""
    browser = launch(
        playwright,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={speech}",
    )
    with contextlib.closing(browser):
        yield browser


@pytest.fixture(scope="package")
def deaf_browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium on a machine that has no microphone."""
    with contextlib.closing(launch(playwright)) as browser:
        yield browser


@pytest.fixture
def open_page() -> Iterator[Callable[..., Page]]:
    """Open a page and watch its console: an error that was not ``expected`` fails the test."""
    opened: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(browser: Browser, url: str, *, expected: str = "", **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)

        def note(text: str) -> None:
            if not expected or expected not in text:
                errors.append(text)

        page.on("console", lambda said: said.type == "error" and note(said.text))
        page.on("pageerror", lambda error: note(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert errors == []
