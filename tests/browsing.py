"""A headless Chromium on our dashboard, with what every journey needs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, Response, expect, sync_playwright

from tests.conversation import listen, wait_for_answers

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--font-render-hinting=none",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
INSIDE = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "file:")
"""How the addresses begin that a page of ours may ask for."""

HELD_BACK = "() => new Promise(done => setTimeout(() => done(true), 300))"
"""Longer than any widget of Streamlit waits before it tells what it was changed to (200 ms)."""

AT_REST = """() => new Promise(done => requestAnimationFrame(() => setTimeout(() => {
    const app = document.querySelector('[data-testid=stApp]');
    done(app?.dataset.testConnectionState === 'CONNECTED'
        && app.dataset.testScriptState === 'notRunning'
        && !document.querySelector('[data-testid=stSkeleton], [data-stale=true]'));
}, 50)))"""
"""Nothing runs, nothing is a remainder of the last run, and the picture of that is drawn."""

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_path() -> str | None:
    """Return an installed Chromium, or None to use Playwright's own."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


PATIENCE = 120_000
"""Milliseconds until a test gives up: no step takes long, but a busy machine may."""

expect.set_options(timeout=PATIENCE)


@contextmanager
def open_browser(
    *, theme: str = "light", width: int = 1280, height: int = 900
) -> Iterator[BrowserContext]:
    """Open a browser with a colour scheme and a window size."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=ARGUMENTS)
        context = browser.new_context(
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": height},
            timezone_id="Europe/Berlin",
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE)
        context.on("page", listen)
        try:
            yield context
        finally:
            browser.close()


@contextmanager
def watched_page(context: BrowserContext) -> Iterator[Page]:
    """Open a page that fails the test when it asked for anything outside this machine."""
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    yield page
    page.close()
    outside = [url for url in asked if not url.startswith(INSIDE)]
    assert outside == [], "the page asked for something outside this machine"


def settle(page: Page) -> None:
    """Wait until all that was done to the page is answered and shown.

    What a widget holds back for a moment (a slider while it is moved) is waited for with a clock
    of the page itself, which is late when the page is; what was then asked is followed to the end
    of its run.
    """
    expect(page.locator("[data-test-connection-state=CONNECTED]")).to_be_attached()
    page.wait_for_function(HELD_BACK)
    wait_for_answers(page)
    page.wait_for_function(AT_REST)


def visit(page: Page, address: str) -> None:
    """Open an address of the dashboard and wait for it."""
    page.goto(address)
    settle(page)


def drop_files(page: Page, box: str, *files: Path) -> None:
    """Drop files into the box whose key begins so, and wait until the page has taken them.

    A position among the boxes would not do: a box that is about to go when its file has been read
    would swallow the next one. Nor would the name of the file, which is there while it is sent.
    """
    inside = page.locator(f"[class*='st-key-{box}']")
    sent: list[str] = []

    def is_last(response: Response) -> bool:
        if response.request.method == "PUT" and "upload_file" in response.url:
            sent.append(response.url)
        return len(sent) == len(files)

    with page.expect_response(is_last):
        inside.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(files)
    settle(page)


def wait_for_report(page: Page) -> str:
    """Wait until the run that was begun has ended in a report; return its id."""
    run_id = current_run_id(page)
    expect(page.get_by_role("tab", name="Summary", exact=True)).to_be_visible()
    settle(page)
    return run_id


def assert_no_error_box(page: Page) -> None:
    """No uncaught exception is on the page."""
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


def current_run_id(page: Page) -> str:
    """Return the run id in the address, waiting for it."""
    page.wait_for_url(re.compile(r"run=[0-9a-z]{26}"))
    match = re.search(r"run=([0-9a-z]{26})", page.url)
    assert match is not None
    return match.group(1)
