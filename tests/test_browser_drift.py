"""Both drift pages in a real browser: what a person does there."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from drift_types import DriftReport
from tests.browsing import assert_no_error_box, drop_files, settle, visit, wait_for_report
from tests.serving import Product

pytestmark = pytest.mark.browser

MOVES = 12

WATCH_PICTURE = """() => {
    window.moves = [];
    const stamp = () => [...document.querySelectorAll('.js-plotly-plot .lines .js-line')]
        .map(each => each.getAttribute('d')).join('|');
    window.waitForPicture = () => {
        const before = stamp(), started = performance.now();
        const look = () => {
            if (stamp() !== before) { window.moves.push(performance.now() - started); return; }
            requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    };
}"""


def metric(page: Page, label: str) -> Locator:
    """Return the value of a tile."""
    name = page.get_by_test_id("stMetricLabel").get_by_text(label, exact=True)
    return page.get_by_test_id("stMetric").filter(has=name).get_by_test_id("stMetricValue")


def test_example_data_is_compared_with_one_click(product: Product, page: Page) -> None:
    """From the empty page to a table of columns, and back again by the address alone."""
    visit(page, f"{product.dashboard}/drift")
    page.locator(".st-key-drift-example button").click()
    expect(page.get_by_text("2 of 6 columns have drifted")).to_be_visible()
    settle(page)
    assert_no_error_box(page)
    page.goto(page.url)
    expect(page.get_by_text("2 of 6 columns have drifted")).to_be_visible()


def test_two_uploads_are_compared_and_downloaded(
    product: Product, page: Page, tmp_path: Path
) -> None:
    """The JSON saved from the page is a report on the two files, worst column first."""
    rng = np.random.default_rng(0)
    old = pd.DataFrame({"calm": rng.normal(size=300), "moved": rng.normal(size=300)})
    old.to_csv(tmp_path / "old.csv", index=False)
    old.add([0.0, 2.0]).to_parquet(tmp_path / "new.parquet")
    visit(page, f"{product.dashboard}/drift")
    drop_files(page, "drift-reference-", tmp_path / "old.csv")
    drop_files(page, "drift-current-", tmp_path / "new.parquet")
    expect(page.get_by_text("1 of 2 columns have drifted")).to_be_visible()
    settle(page)
    with page.expect_download() as saved:
        page.locator(".st-key-drift-json button").click()
    report = DriftReport.model_validate(json.loads(Path(saved.value.path()).read_text()))
    assert [(f.feature, f.verdict.value) for f in report.features] == [
        ("calm", "no drift"),
        ("moved", "drift"),
    ]
    expect(page.locator(".st-key-drift-column input")).to_have_value(re.compile("moved"))


def test_a_reference_is_kept_and_used_again(product: Product, page: Page, tmp_path: Path) -> None:
    """The profile saved from a comparison takes the place of its table, with the same verdicts."""
    visit(page, f"{product.dashboard}/drift")
    page.locator(".st-key-drift-example button").click()
    expect(page.get_by_text("2 of 6 columns have drifted")).to_be_visible()
    settle(page)
    with page.expect_download() as saved:
        page.locator(".st-key-drift-html button").click()
    assert "2 of 6 columns have drifted" in Path(saved.value.path()).read_text()
    page.get_by_text("Keep the reference as a profile").click()
    with page.expect_download() as saved:
        page.locator(".st-key-drift-profile button").click()
    saved.value.save_as(tmp_path / "kept.npz")
    page.locator(".st-key-drift-reference-remove button").click()
    settle(page)
    drop_files(page, "drift-reference-", tmp_path / "kept.npz")
    expect(page.get_by_text("kept.npz")).to_be_visible()
    expect(page.get_by_text("2 of 6 columns have drifted")).to_be_visible()
    assert_no_error_box(page)


def test_the_model_of_a_run_is_played_with(product: Product, page: Page) -> None:
    """Its rows are drifted by the knobs and its own answers change; the address keeps both."""
    visit(page, product.dashboard)
    page.locator(".st-key-over-run-clinic_pipeline button").click()
    run_id = wait_for_report(page)
    visit(page, f"{product.dashboard}/playground?run={run_id}")
    expect(metric(page, "Columns flagged")).to_have_text("0 of 6")
    page.locator(".st-key-own-offset").get_by_role("slider").press("End")
    page.wait_for_url(re.compile("offset=3.0"))
    expect(metric(page, "Columns flagged")).to_have_text("5 of 6")
    expect(metric(page, "Answers changed")).not_to_have_text("0%")
    assert_no_error_box(page)


def test_a_file_that_is_no_table_is_told(product: Product, page: Page, tmp_path: Path) -> None:
    """The sentence names the file and what to do, and the other file can be changed."""
    (tmp_path / "table.csv").write_text("a\n1\n2\n")
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04K\x01.")
    visit(page, f"{product.dashboard}/drift")
    drop_files(page, "drift-reference-", tmp_path / "table.csv")
    drop_files(page, "drift-current-", tmp_path / "model.pkl")
    expect(page.get_by_text("looks like a pickle")).to_be_visible()
    assert_no_error_box(page)


@pytest.mark.parametrize(
    "address",
    [
        "drift?reference=nothing&current=nothing",
        "drift?reference_run=nothing&current=../../etc/passwd",
        "drift?alpha=hello",
        "playground?data=nothing",
        "playground?shift=999&rows=-1",
        "playground?lesson=nothing&column=nothing",
        "playground?data=diabetes&columns=nothing&power=yes",
    ],
)
def test_wrong_addresses_lead_to_a_page_without_an_error_box(
    product: Product, page: Page, address: str
) -> None:
    """Whatever stands in the address, the page says what to do or shows its beginning."""
    visit(page, f"{product.dashboard}/{address}")
    assert_no_error_box(page)
    expect(page.locator("[data-testid=stMain]")).to_have_text(re.compile(".{20}", re.DOTALL))


def test_a_lesson_is_guessed_and_revealed(product: Product, page: Page) -> None:
    """Numbers appear only after both guesses, and the answer says whether they were right."""
    visit(page, f"{product.dashboard}/playground?lesson=concept")
    expect(page.get_by_text("Concept drift.", exact=False).first).to_be_visible()
    expect(page.locator("[data-testid=stMetric]")).to_have_count(0)
    page.get_by_role("radio", name="Silent").click()
    page.get_by_role("radio", name="Worse").click()
    expect(page.get_by_text("Both right")).to_be_visible()
    expect(metric(page, "Columns flagged")).to_have_text("0 of 6")
    assert_no_error_box(page)


def test_an_address_holds_every_knob(product: Product, page: Page) -> None:
    """A link with knobs shows their picture, and turning one changes the link."""
    visit(page, f"{product.dashboard}/playground?lesson=free&unit=2.54&rows=5000")
    expect(metric(page, "Columns flagged")).to_have_text("1 of 6")
    before = metric(page, "Accuracy").inner_text()
    page.locator(".st-key-missing").get_by_role("slider").press("End")
    page.wait_for_url(re.compile("missing=0.95"))
    expect(metric(page, "Columns flagged")).to_have_text("6 of 6")
    page.reload()
    settle(page)
    expect(metric(page, "Columns flagged")).to_have_text("6 of 6")
    expect(metric(page, "Accuracy")).not_to_have_text(before)


def test_a_formula_is_one_click_away(product: Product, page: Page) -> None:
    """Each test explains itself on hover, and opens to its formula."""
    visit(page, f"{product.dashboard}/playground?lesson=free&shift=1")
    name = page.locator(".drift-tests summary").filter(has_text="Kolmogorov-Smirnov")
    expect(name).to_have_attribute("title", re.compile("gap"))
    formula = page.get_by_text("D = max |F(x) − G(x)|")
    expect(formula).to_be_hidden()
    name.click()
    expect(formula).to_be_visible()


def test_the_picture_follows_every_move_of_a_knob(product: Product, page: Page) -> None:
    """Each key pressed changes the picture; how soon at 5,000 rows, `pytest -s` tells."""
    visit(page, f"{product.dashboard}/playground?lesson=free&rows=5000")
    page.evaluate(WATCH_PICTURE)
    knob = page.locator(".st-key-shift").get_by_role("slider")
    for move in range(1, MOVES + 1):
        page.evaluate("window.waitForPicture()")
        knob.press("ArrowRight")
        page.wait_for_function("count => window.moves.length === count", arg=move)
        settle(page)
    moves = page.evaluate("window.moves")
    median = statistics.median(moves)
    print(f"slider to picture: median {median:.0f} ms, slowest {max(moves):.0f} ms")  # noqa: T201
