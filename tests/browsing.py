"""A headless Chromium on our dashboard, with what every journey needs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, FilePayload, Page, expect, sync_playwright

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

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_path() -> str | None:
    """Return an installed Chromium, or None to use Playwright's own."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


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
        context.set_default_timeout(60_000)
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
    """Wait until the script has run and the page shows its result."""
    app = page.locator("[data-testid=stApp]")
    expect(app).to_have_attribute("data-test-connection-state", "CONNECTED", timeout=60_000)
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=90_000)
    page.wait_for_timeout(400)
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=90_000)


def visit(page: Page, address: str) -> None:
    """Open an address of the dashboard and wait for it."""
    page.goto(address)
    settle(page)


def drop_files(page: Page, box: str, files: Path | FilePayload | Sequence[Path]) -> None:
    """Drop files into the box whose key begins so, waiting for the box itself.

    A position among the boxes would not do: a box that is about to go when its file has been read
    would swallow the next one.
    """
    inside = page.locator(f"[class*='st-key-{box}']")
    inside.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(files)


def assert_no_error_box(page: Page) -> None:
    """No uncaught exception is on the page."""
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


def current_run_id(page: Page) -> str:
    """Return the run id in the address, waiting for it."""
    page.wait_for_url(re.compile(r"run=[0-9a-z]{26}"))
    match = re.search(r"run=([0-9a-z]{26})", page.url)
    assert match is not None
    return match.group(1)
