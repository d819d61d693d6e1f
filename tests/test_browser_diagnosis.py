"""The card under a fresh model file in a real browser: what will become of it, and the choice."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sklearn
from playwright.sync_api import Page, expect
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from tests.browsing import assert_no_error_box, drop_files, visit
from tests.serving import Product, running_product

pytestmark = pytest.mark.browser

TABLE = pd.DataFrame({"a": [float(i) for i in range(30)], "b": [i % 7 / 2 for i in range(30)]})
ANSWERS = [int(i > 14) for i in range(30)]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product that may not build environments."""
    folder = tmp_path_factory.mktemp("switched-off") / "data"
    with running_product(folder, MONITOR_ENVIRONMENTS="false") as running:
        yield running


def written_by(version: str, model: object, path: Path) -> Path:
    """Write a fitted model as if another scikit-learn had recorded its version in it."""
    data = pickle.dumps(model, protocol=3)
    ours, theirs = sklearn.__version__.encode(), version.encode()
    old = b"X" + len(ours).to_bytes(4, "little") + ours
    assert old in data
    path.write_bytes(data.replace(old, b"X" + len(theirs).to_bytes(4, "little") + theirs))
    return path


def drop(page: Page, product: Product, model: Path) -> None:
    """Give the page a model file."""
    visit(page, f"{product.dashboard}/test")
    drop_files(page, "test-model-", model)
    expect(page.get_by_text("Before loading")).to_be_visible()


def test_trees_of_an_old_version_are_told_before_loading(
    product: Product, page: Page, tmp_path: Path
) -> None:
    """The card names the wall, the versions that would do, and what the operator can set."""
    tree = DecisionTreeClassifier(max_depth=2).fit(TABLE, ANSWERS)
    drop(page, product, written_by("1.1.3", tree, tmp_path / "old.pkl"))
    expect(page.get_by_text("Breaks here").first).to_be_visible()
    expect(page.get_by_text("decision trees of scikit-learn 1.1.3").first).to_be_visible()
    expect(page.get_by_text("MONITOR_ENVIRONMENTS=true").first).to_be_visible()
    choice = page.get_by_test_id("stButtonGroup").get_by_role("radio", name="Its own versions")
    expect(choice).to_be_disabled()
    assert_no_error_box(page)


def test_a_file_of_these_versions_needs_no_choice(
    product: Product, page: Page, tmp_path: Path
) -> None:
    """A file of the installed libraries is told to load; nothing is asked."""
    path = tmp_path / "new.pkl"
    path.write_bytes(pickle.dumps(LogisticRegression().fit(TABLE, ANSWERS)))
    drop(page, product, path)
    expect(page.get_by_text("It will be loaded with the libraries installed here")).to_be_visible()
    expect(page.get_by_text("Library versions")).to_have_count(0)
    expect(page.get_by_role("button", name="Run the test")).to_be_enabled()
    assert_no_error_box(page)
