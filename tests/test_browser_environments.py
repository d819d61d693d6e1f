"""A model of another scikit-learn in a real browser: its environment is built, and answers.

Takes the package index, as ``test_environments`` does; skips where it does not answer.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sklearn.linear_model import LogisticRegression

import python_finder
from tests.browsing import assert_no_error_box, settle
from tests.serving import Product, running_product
from tests.test_browser_diagnosis import ANSWERS, TABLE, drop, written_by

pytestmark = [pytest.mark.browser, pytest.mark.slow]

VERSION = "1.8.0"
INDEX = "https://pypi.org/simple/six/"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product that may build environments and has none yet."""
    if not any(python_finder.find_python(minor) for minor in ("3.11", "3.12", "3.13")):
        pytest.skip(f"no interpreter here that scikit-learn {VERSION} runs on")
    try:
        urllib.request.urlopen(INDEX, timeout=10).close()
    except OSError as error:
        pytest.skip(f"the package index does not answer: {error}")
    folder = tmp_path_factory.mktemp("building") / "data"
    with running_product(folder, MONITOR_ENVIRONMENTS="true") as running:
        yield running


def test_its_own_versions_are_built_and_answer(
    product: Product, page: Page, tmp_path: Path
) -> None:
    """Chosen on the card, both versions answer: the building is told, then who answered and how."""
    model = LogisticRegression().fit(TABLE, ANSWERS)
    drop(page, product, written_by(VERSION, model, tmp_path / "other.pkl"))
    choice = page.get_by_test_id("stButtonGroup").get_by_role("radio", name="Both, compared")
    choice.click()
    building = page.get_by_text(f"Preparing scikit-learn {VERSION}, once")
    expect(building).to_be_visible(timeout=60_000)
    expect(building).to_have_count(0, timeout=300_000)
    settle(page)
    run = page.locator(".st-key-test-run button")
    expect(run).to_be_enabled(timeout=60_000)
    run.click()
    page.wait_for_url("**run=*", timeout=120_000)
    details = page.get_by_text("Details", exact=True).first
    expect(details).to_be_visible(timeout=120_000)
    settle(page)
    details.click()
    answered = page.get_by_text(re.compile("Answered by.*matching environment.*sklearn " + VERSION))
    expect(answered).to_be_visible()
    expect(page.get_by_text(re.compile("Both answered .* 0 predictions differ"))).to_be_visible()
    assert_no_error_box(page)
