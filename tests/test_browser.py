"""The dashboard in a real browser, the API over a real socket, one store behind both."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pandas as pd
import pytest
import requests
from playwright.sync_api import Page, expect
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.browsing import (
    assert_no_error_box,
    current_run_id,
    drop_files,
    settle,
    visit,
    wait_for_report,
)
from tests.serving import Product, finished_run

pytestmark = pytest.mark.browser

SECTIONS = (
    "Summary",
    "Performance",
    "Quality",
    "Behaviour",
    "Drift",
    "Explanations",
    "Data",
    "Details",
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pipeline with a category, pickled, and a sample of its data."""
    folder = tmp_path_factory.mktemp("files")
    sample = pd.DataFrame(
        {
            "tenure": [1, 5, 40, 60, 2, 33, 71, 8] * 25,
            "contract": ["monthly", "yearly"] * 100,
            "charge": [20.5, 30.0, 99.9, 55.0] * 50,
        }
    )
    churn = pd.Series(["yes", "no", "no", "no"] * 50, name="churn")
    columns = ColumnTransformer(
        [("contract", OneHotEncoder(), ["contract"])], remainder="passthrough"
    )
    model = make_pipeline(columns, RandomForestClassifier(20, random_state=0))
    model.fit(sample, churn)
    (folder / "churn model.pkl").write_bytes(pickle.dumps(model))
    sample.assign(churn=churn).to_csv(folder / "customers.csv", index=False)
    return folder / "churn model.pkl", folder / "customers.csv"


def test_an_example_runs_from_one_click_to_the_full_report(product: Product, page: Page) -> None:
    """From an empty page, one click leads to a report whose every section opens."""
    visit(page, product.dashboard)
    page.locator(".st-key-over-run-iris_forest button").click()
    wait_for_report(page)
    for section in SECTIONS:
        tab = page.get_by_role("tab", name=section, exact=True)
        tab.click()
        settle(page)
        expect(tab).to_have_attribute("aria-selected", "true")
        assert_no_error_box(page)
        assert "failed" not in page.locator("[data-testid=stMain]").inner_text().lower()[:400]


def test_a_model_and_a_sample_are_uploaded_and_reported(
    product: Product, page: Page, files: tuple[Path, Path]
) -> None:
    """A .pkl and a CSV dropped in the browser end in a report on the same page."""
    model, sample = files
    visit(page, f"{product.dashboard}/test")
    drop_files(page, "test-model-", model)
    expect(page.get_by_text("trusted types only", exact=False).first).to_be_visible()
    drop_files(page, "test-sample-", sample)
    expect(page.locator(".st-key-test-sample-remove")).to_be_visible()
    expect(page.get_by_text("3 · Columns")).to_be_visible()
    page.locator(".st-key-test-run button").click()
    run_id = wait_for_report(page)
    assert_no_error_box(page)
    report = requests.get(f"{product.api}/runs/{run_id}/report", timeout=60).json()
    assert report["quality"]["has_labels"] is True
    assert report["data"]["target"] == "churn"


def test_a_run_made_over_http_appears_without_reload(
    product: Product, page: Page, files: tuple[Path, Path]
) -> None:
    """What curl posts shows up in the history that is already open."""
    visit(page, f"{product.dashboard}/runs")
    with files[0].open("rb") as model:
        run = finished_run(product, files={"model": ("from-curl.pkl", model)})
    assert run["status"] == "done"
    expect(page.locator("canvas, table").get_by_text("from-curl.pkl").first).to_be_attached()


def test_the_json_download_is_the_stored_report(
    product: Product, page: Page, files: tuple[Path, Path]
) -> None:
    """The file saved from the page equals what the API returns."""
    run = requests.get(f"{product.api}/runs", timeout=60).json()["runs"][0]
    visit(page, f"{product.dashboard}/run?run={run['id']}")
    wait_for_report(page)
    page.get_by_role("button", name=re.compile("Download")).first.click()
    with page.expect_download() as saved:
        page.locator(".st-key-run-download-json button").click()
    body = json.loads(Path(saved.value.path()).read_text())
    stored = requests.get(f"{product.api}/runs/{run['id']}/report", timeout=60).json()
    assert body == stored


CUT_OFF = """() => [
    ...[...document.querySelectorAll('[data-testid=stMain]')].filter(
        each => each.scrollWidth > each.clientWidth + 1),
    ...[...document.querySelectorAll('[data-testid=stMetric] *')].filter(
        each => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0
            && getComputedStyle(each).overflow !== 'visible'),
].map(each => each.innerText.slice(0, 60))"""
"""What is wider than its place: the page itself, or the text of a tile."""


def test_no_width_of_the_window_cuts_a_number_off(product: Product, page: Page) -> None:
    """Tiles show their whole text on a telephone, on half a screen and on a desk."""
    run = requests.get(f"{product.api}/runs", timeout=60).json()["runs"][-1]
    visit(page, f"{product.dashboard}/run?run={run['id']}&section=Performance")
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    for width in (390, 900, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        assert page.evaluate(CUT_OFF) == []


def test_two_runs_are_compared(product: Product, page: Page) -> None:
    """The comparison page names both runs and counts what changed."""
    runs = requests.get(f"{product.api}/runs", timeout=60).json()["runs"]
    ids = ",".join(run["id"] for run in runs[:2])
    visit(page, f"{product.dashboard}/compare?runs={ids}")
    expect(page.get_by_text("Got worse")).to_be_visible()
    assert_no_error_box(page)


@pytest.mark.parametrize("place", ["", "test", "runs", "run", "compare", "run?run=nothing"])
def test_every_address_shows_a_page_without_an_error_box(
    product: Product, page: Page, place: str
) -> None:
    """Deep links, also wrong ones, lead to a page that says what to do."""
    visit(page, f"{product.dashboard}/{place}")
    assert_no_error_box(page)
    expect(page.locator("[data-testid=stMain]")).to_have_text(re.compile(".{20}", re.DOTALL))


def test_a_run_in_progress_can_be_cancelled(product: Product, page: Page) -> None:
    """Cancel stops a long run within seconds and the page says so."""
    visit(page, f"{product.dashboard}/test")
    page.locator(".st-key-test-example input").click()
    page.get_by_role("option", name="Handwritten digits").click()
    settle(page)
    page.locator(".st-key-test-use button").click()
    expect(page.get_by_text("4 · Run")).to_be_visible()
    settle(page)
    seconds = page.locator(".st-key-test-seconds input")
    seconds.fill("120")
    seconds.press("Enter")
    settle(page)
    page.locator(".st-key-test-run button").click()
    run_id = current_run_id(page)
    page.locator(".st-key-run-cancel button").click()
    expect(page.get_by_text("This run has no report")).to_be_visible()
    run = requests.get(f"{product.api}/runs/{run_id}", timeout=60).json()
    assert run["status"] == "cancelled"
