"""Bundles and several files of one model in a real browser."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browsing import assert_no_error_box, drop_files, settle, visit, wait_for_report
from tests.bundle_zoo import BUNDLES
from tests.serving import Product

pytestmark = pytest.mark.browser


def upload(page: Page, product: Product, *files: Path) -> None:
    """Begin a new test with these model files."""
    visit(page, f"{product.dashboard}/test")
    drop_files(page, "test-model-", *files)
    expect(page.get_by_text("How its parts belong together")).to_be_visible()


def saved(folder: Path, name: str, held: Any) -> Path:
    """Write a pickle and return its path."""
    path = folder / name
    path.write_bytes(pickle.dumps(held))
    return path


def diagram(page: Page, *parts: str) -> Locator:
    """Return the diagram with these parts in this order."""
    return page.get_by_role("img", name=f"Columns, then {' then '.join(parts)}", exact=True)


def test_a_wrong_order_is_refused_and_undone(product: Product, page: Page, tmp_path: Path) -> None:
    """Parts put in an impossible order are refused in one sentence; the guess comes back."""
    held = BUNDLES["scaler, pca, model"]().held
    upload(page, product, saved(tmp_path, "iris.pkl", held))
    expect(diagram(page, "scaler", "pca", "model")).to_be_visible()
    page.get_by_text("Put them together differently").click()
    order = page.get_by_role("combobox", name="Applied before it, in this order")
    for _ in range(2):
        order.focus()
        page.keyboard.press("Backspace")
        settle(page)
    for part in ("pca (PCA)", "scaler (StandardScaler)"):
        order.fill(part)
        page.get_by_role("option", name=part, exact=True).click()
        settle(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Put together like this").click()
    refused = page.get_by_text("takes 4 columns, but 2 reach it there").first
    expect(refused).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Use the guess again").click()
    expect(diagram(page, "scaler", "pca", "model")).to_be_visible()
    assert_no_error_box(page)


def test_a_choice_is_remembered_for_the_file(product: Product, page: Page, tmp_path: Path) -> None:
    """Another reading, once chosen, is used at the next upload of the file, until it is undone."""
    held = BUNDLES["imputer, scaler, model"]().held
    path = saved(tmp_path, "flowers.pkl", held)
    upload(page, product, path)
    expect(diagram(page, "imputer", "scaler", "model")).to_be_visible()
    page.get_by_text("Put them together differently").click()
    page.get_by_role("button", name="scaler → imputer → model").click()
    expect(diagram(page, "scaler", "imputer", "model")).to_be_visible()
    settle(page)
    upload(page, product, path)
    expect(diagram(page, "scaler", "imputer", "model")).to_be_visible()
    expect(page.get_by_text("Put together by hand.")).to_be_visible()
    page.get_by_role("button", name="Use the guess again").click()
    expect(diagram(page, "imputer", "scaler", "model")).to_be_visible()
    assert_no_error_box(page)


def test_two_files_are_one_model(product: Product, page: Page, tmp_path: Path) -> None:
    """A vectorizer beside its model is put before it, and the run's page shows how it ran."""
    vectorizer, model = BUNDLES["vectorizer, model"]().held
    files = (saved(tmp_path, "model.pkl", model), saved(tmp_path, "tfidf.pkl", vectorizer))
    upload(page, product, *files)
    expect(diagram(page, "tfidf", "model")).to_be_visible()
    page.locator(".st-key-test-run button").click()
    wait_for_report(page)
    expect(page.get_by_role("heading", name="model.pkl + tfidf.pkl")).to_be_visible()
    page.get_by_role("tab", name="Details", exact=True).click()
    expect(diagram(page, "tfidf", "model")).to_be_visible()
    assert_no_error_box(page)
