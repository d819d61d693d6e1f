"""A model in a format of its own, dropped in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browsing import assert_no_error_box, drop_files, visit, wait_for_report
from tests.format_zoo import STORIES, as_onnx
from tests.serving import Product

pytestmark = pytest.mark.browser


def test_an_onnx_file_under_any_name_is_reported(
    product: Product, page: Page, tmp_path: Path
) -> None:
    """The bytes tell what it is; its card names inputs, and no stage of the run fails."""
    model = tmp_path / "model.bin"
    model.write_bytes(as_onnx(STORIES["churn"]()))
    visit(page, f"{product.dashboard}/test")
    drop_files(page, "test-model-", model)
    expect(page.get_by_text("trusted types only").first).to_be_visible()
    expect(page.get_by_text("plan tensor(string)", exact=False).first).to_be_visible()
    expect(page.get_by_text("3 · Columns")).to_be_visible()
    page.locator(".st-key-test-run button").click()
    run_id = wait_for_report(page)
    assert_no_error_box(page)
    report = requests.get(f"{product.api}/runs/{run_id}/report", timeout=60).json()
    assert report["model"]["file"]["container"] == "onnx"
    assert [one for one in report["stages"] if one["status"] == "failed"] == []
