"""The page Data check in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import assert_no_error_box, drop_files, visit
from tests.serving import Product

pytestmark = pytest.mark.browser


def test_the_example_and_a_file_are_checked(product: Product, page: Page, tmp_path: Path) -> None:
    """One click shows what a faulty table costs; uploaded ones get their scores, too."""
    visit(page, f"{product.dashboard}/data-check")
    page.locator(".st-key-check-example button").click()
    expect(page.get_by_text("faulty-customers.csv")).to_be_visible()
    expect(page.get_by_text("of 100 points")).to_be_visible()
    dates = tmp_path / "dates.csv"
    forms = ["2024-03-01", "13/03/2024", "1.3.24"] * 40
    dates.write_text("on,n\n" + "".join(f"{on},{i * 37 % 101}\n" for i, on in enumerate(forms)))
    drop_files(page, "check-data", dates)
    expect(page.get_by_text("year-month-day 40 times").first).to_be_visible()
    table = tmp_path / "sound.csv"
    table.write_text("a,b\n" + "".join(f"{i * 37 % 101},{i * 53 % 89}\n" for i in range(120)))
    drop_files(page, "check-data", table)
    expect(page.get_by_role("heading", name="sound.csv")).to_be_visible()
    assert_no_error_box(page)
    with page.expect_download() as download:
        page.locator(".st-key-check-csv button").click()
    assert "target" not in Path(download.value.path()).read_text().splitlines()[0]
