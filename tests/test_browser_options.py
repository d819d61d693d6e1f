"""The further options of a test, and a finding that becomes a line of the policy, in a browser."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests
from playwright.sync_api import Page, expect
from sklearn.linear_model import LogisticRegression

from tests.browsing import assert_no_error_box, drop_files, settle, visit, wait_for_report
from tests.model_zoo import ZOO
from tests.serving import Product

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A classifier with named columns, and a sample with a column of weights."""
    specimen = ZOO["decision tree"]()
    inputs = specimen.sample.drop(columns="label")
    target = (specimen.sample["label"] == "setosa").map({True: "yes", False: "no"})
    model = LogisticRegression(max_iter=1000).fit(inputs, target)
    weights = pd.Series(np.arange(len(inputs)) % 3, name="worth")
    sample = inputs.assign(label=target.to_numpy(), worth=weights.to_numpy())
    folder = tmp_path_factory.mktemp("flowers")
    (folder / "flowers.pkl").write_bytes(pickle.dumps(model))
    sample.to_csv(folder / "flowers.csv", index=False)
    return folder / "flowers.pkl", folder / "flowers.csv"


def set_up(page: Page, product: Product, files: tuple[Path, Path]) -> None:
    """Upload both files and wait for the options."""
    visit(page, f"{product.dashboard}/test")
    drop_files(page, "test-model-", files[0])
    drop_files(page, "test-sample-", files[1])
    expect(page.locator(".st-key-test-sample-remove")).to_be_visible()
    expect(page.get_by_text("4 · Run")).to_be_visible()


def open_tab(page: Page, name: str) -> None:
    """Show what is behind a tab."""
    page.get_by_role("tab", name=name, exact=True).click()
    settle(page)


def choose(page: Page, label: str, option: str) -> None:
    """Choose an entry of a box that is named by its label."""
    box = page.get_by_role("combobox", name=re.compile(label))
    box.scroll_into_view_if_needed()
    settle(page)  # an open list closes when the page scrolls or is drawn anew
    box.click()
    page.get_by_role("option", name=option, exact=True).click()
    page.keyboard.press("Escape")
    settle(page)


def fill(page: Page, label: str, value: str) -> None:
    """Type a number and apply it."""
    box = page.get_by_role("spinbutton", name=label)
    box.fill(value)
    box.press("Enter")
    settle(page)


def test_options_reach_the_run_and_a_finding_the_policy(
    product: Product, page: Page, files: tuple[Path, Path]
) -> None:
    """What is chosen on the page is in the run's config; one click on a check is a rule of Gate."""
    set_up(page, product, files)
    choose(page, "Column of weights", "worth")
    page.get_by_text("More options").click()
    settle(page)
    fill(page, "Arrivals", "50")
    open_tab(page, "Costs and groups")
    fill(page, "Cost of a false alarm", "1")
    fill(page, "Cost of a miss", "5")
    open_tab(page, "Expectations")
    choose(page, "only rises with", "petal width (cm)")
    assert_no_error_box(page)
    page.locator(".st-key-test-run button").click()
    run_id = wait_for_report(page)
    report = requests.get(f"{product.api}/runs/{run_id}/report", timeout=60).json()
    config = report["config"]
    assert config["load_rate"] == 50.0
    assert (config["cost_false_positive"], config["cost_false_negative"]) == (1.0, 5.0)
    assert config["monotone"] == {"petal width (cm)": "up"}
    assert report["quality"]["details"]["weight_column"] == "worth"
    assert report["quality"]["details"]["cost"]["false_negative"] == 5.0

    page.locator(".st-key-policy-quality-answers button").first.click()
    settle(page)
    open_tab(page, "Behaviour")
    page.locator("[class*='st-key-policy-case-monotone'] button").first.click()
    settle(page)
    page.get_by_role("link", name="Your policy").click()
    settle(page)
    editor = page.locator(".st-key-gate-text textarea")
    last = '- number: "broken.monotone:petal width (cm)"\n    at_most: 0'
    expect(editor).to_have_value(re.compile(rf"{re.escape(last)}\s*$"))
    expect(editor).to_have_value(re.compile("  - check: quality.answers"))
    assert_no_error_box(page)
