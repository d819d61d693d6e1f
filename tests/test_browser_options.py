"""The further options of a test, and a finding that becomes a line of the policy, in a browser."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import requests
from playwright.sync_api import Page, expect
from sklearn.linear_model import LogisticRegression

from tests.browsing import assert_no_error_box, current_run_id, drop_files, settle, visit
from tests.model_zoo import ZOO
from tests.serving import Product

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def files() -> dict[str, tuple[str, bytes]]:
    """A classifier with named columns, and a sample with a column of weights."""
    import pickle

    specimen = ZOO["decision tree"]()
    inputs = specimen.sample.drop(columns="label")
    target = (specimen.sample["label"] == "setosa").map({True: "yes", False: "no"})
    model = LogisticRegression(max_iter=1000).fit(inputs, target)
    weights = pd.Series(np.arange(len(inputs)) % 3, name="worth")
    sample = inputs.assign(label=target.to_numpy(), worth=weights.to_numpy())
    return {
        "model": ("flowers.pkl", pickle.dumps(model)),
        "sample": ("flowers.csv", sample.to_csv(index=False).encode()),
    }


def set_up(page: Page, product: Product, files: dict[str, tuple[str, bytes]]) -> None:
    """Upload both files and wait for the options."""
    visit(page, f"{product.dashboard}/test")
    for kind in ("model", "sample"):
        name, data = files[kind]
        drop_files(
            page,
            f"test-{kind}-",
            {"name": name, "mimeType": "application/octet-stream", "buffer": data},
        )
        expect(page.get_by_text(name).first).to_be_visible()
        settle(page)
    expect(page.get_by_text("4 · Run")).to_be_visible(timeout=90_000)
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
    product: Product, page: Page, files: dict[str, tuple[str, bytes]]
) -> None:
    """What is chosen on the page is in the run's config; one click on a check is a rule of Gate."""
    set_up(page, product, files)
    choose(page, "Column of weights", "worth")
    page.get_by_text("More options").click()
    fill(page, "Arrivals", "50")
    page.get_by_role("tab", name="Costs and groups").click()
    fill(page, "Cost of a false alarm", "1")
    fill(page, "Cost of a miss", "5")
    page.get_by_role("tab", name="Expectations").click()
    choose(page, "only rises with", "petal width (cm)")
    assert_no_error_box(page)
    page.locator(".st-key-test-run button").click()
    run_id = current_run_id(page)
    expect(page.get_by_role("tab", name="Summary")).to_be_visible(timeout=120_000)
    settle(page)
    report = requests.get(f"{product.api}/runs/{run_id}/report", timeout=30).json()
    config = report["config"]
    assert config["load_rate"] == 50.0
    assert (config["cost_false_positive"], config["cost_false_negative"]) == (1.0, 5.0)
    assert config["monotone"] == {"petal width (cm)": "up"}
    assert report["quality"]["details"]["weight_column"] == "worth"
    assert report["quality"]["details"]["cost"]["false_negative"] == 5.0

    page.locator(".st-key-policy-quality-answers button").first.click()
    settle(page)
    page.get_by_role("tab", name="Behaviour").click()
    settle(page)
    page.locator("[class*='st-key-policy-case-monotone'] button").first.click()
    settle(page)
    page.get_by_role("link", name="Your policy").click()
    settle(page)
    text = page.locator(".st-key-gate-text textarea").input_value()
    assert text.rstrip().endswith('- number: "broken.monotone:petal width (cm)"\n    at_most: 0')
    assert "  - check: quality.answers" in text
    assert_no_error_box(page)
