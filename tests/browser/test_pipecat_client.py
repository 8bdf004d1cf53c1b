"""Pipecat's own browser client, unmodified from the npm registry, holds a conversation with us."""

import functools
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.house import House

SOURCE = Path(__file__).parent / "pipecat_client"
HEARD = (Path(__file__).parent / "heard.js").read_text()
_ANSWER_MS = 90_000


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def client_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The built test page, on an origin of its own."""
    built = tmp_path_factory.mktemp("pipecat")
    if not (SOURCE / "node_modules").is_dir():
        subprocess.run(["npm", "ci"], cwd=SOURCE, check=True, timeout=180)
    build = ["npx", "vite", "build", "--outDir", str(built), "--emptyOutDir", "--logLevel", "error"]
    subprocess.run(build, cwd=SOURCE, check=True, timeout=120)
    handler = functools.partial(_Quiet, directory=str(built))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def _wait(page: Page, condition: str) -> None:
    """Wait until ``condition`` holds for one of the client's ``{name, data}`` callbacks."""
    page.wait_for_function(
        f"window.pipecat.seen.some(({{name, data}}) => {condition})", timeout=_ANSWER_MS
    )


def test_conversation(
    house: House, browser: Browser, client_url: str, open_page: Callable[..., Page]
) -> None:
    outside: list[str] = []
    page = open_page(browser, "about:blank")
    page.on("request", lambda request: outside.append(request.url))
    page.goto(client_url)
    joined = page.evaluate("url => window.pipecat.connect(url, 'demo')", house.url)
    assert joined["version"].startswith("2.")

    _wait(page, "name === 'bot-track' && data === 'audio'")
    _wait(page, "name === 'bot-track' && data === 'video'")
    page.locator("video").evaluate(HEARD)
    _wait(page, "name === 'user-transcript' && data.final && /moon/i.test(data.text)")
    page.evaluate("window.pipecat.client.enableMic(false)")
    _wait(page, "name === 'bot-output' && data.spoken")
    _wait(page, "name === 'bot-started-speaking'")
    page.wait_for_function("window.heard > 0.01", timeout=_ANSWER_MS)

    page.evaluate("window.pipecat.seen.length = 0")
    page.evaluate("window.pipecat.client.sendText('What is your name?')")
    _wait(page, "name === 'bot-output' && data.spoken")
    _wait(page, "name === 'bot-stopped-speaking'")
    assert page.evaluate("document.querySelector('video').videoWidth") == 512

    page.evaluate("window.pipecat.client.disconnectBot()")
    page.evaluate("window.pipecat.client.disconnect()")
    house.wait_until(
        lambda: house.session(joined["sessionId"])["state"] == "ended", 15, "session ended"
    )
    errors = "window.pipecat.seen.filter(({name}) => name.endsWith('error'))"
    assert page.evaluate(errors) == []
    local = (house.url, client_url, "blob:", "data:")
    assert all(url.startswith(local) for url in outside)
