"""The page Gate in a real browser: the policy is edited, and its effect follows."""

from __future__ import annotations

import pickle
import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from run_types import new_run_id
from settings import Settings
from storage import Store
from storage_tables import run
from tests.browsing import assert_no_error_box, settle, visit
from tests.serving import Product, finished_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def product(product: Product) -> Product:
    """A product with two runs of one model."""
    table = load_iris(as_frame=True).frame
    model = LogisticRegression(max_iter=1000).fit(table.iloc[:, :4], table["target"])
    for seed in (0, 1):
        files = {
            "model": ("flowers.pkl", pickle.dumps(model)),
            "sample": ("iris.csv", table.to_csv(index=False)),
        }
        fields = {"target": "target", "options": f'{{"seed": {seed}}}'}
        assert finished_run(product, files=files, data=fields)["status"] == "done"
    return product


@pytest.fixture
def page(product: Product, page: Page) -> Page:
    """The page Gate."""
    visit(page, f"{product.dashboard}/gate")
    return page


def write_policy(page: Page, text: str) -> None:
    """Replace the text of the editor and apply it."""
    editor = page.locator(".st-key-gate-text textarea")
    editor.fill(text)
    editor.press("Control+Enter")
    settle(page)


def test_it_opens_with_the_default_of_the_task_and_its_effect(page: Page) -> None:
    """Policy, verdict on the newest run and on the past ones are there without a click."""
    editor = page.locator(".st-key-gate-text textarea")
    expect(editor).to_have_value(re.compile("Default for multiclass"))
    expect(page.get_by_text("The model loads", exact=True)).to_be_visible()
    expect(page.get_by_text("What it would have said of the last 2 runs")).to_be_visible()
    assert_no_error_box(page)


def test_a_stricter_limit_fails_at_once(page: Page) -> None:
    """Editing a limit changes the verdict beside it."""
    write_policy(page, "version: 1\nrules:\n- number: accuracy\n  at_least: 0.9999\n")
    heading = page.get_by_role("heading", level=4)
    expect(heading).to_contain_text("1 of 1 limits broken")
    write_policy(page, "version: 1\nrules:\n- number: accuracy\n  at_least: 0.5\n")
    expect(heading).to_contain_text("All 1 limits are kept.")


def test_a_mistake_is_told_with_its_line(page: Page) -> None:
    """A wrong key is named with line and path, and the page goes on working."""
    write_policy(page, "version: 1\nrules:\n- number: accuracy\n  at_lest: 0.9\n")
    expect(page.get_by_text("Line 4, rules[0].at_lest")).to_be_visible()
    assert_no_error_box(page)


def test_the_policy_is_downloaded_as_it_was_edited(page: Page) -> None:
    """The file holds the text of the editor, also what was typed last and never applied."""
    for text in ("version: 1\nrules:\n- check: model.load\n", "version: 1\nrules: []\n"):
        editor = page.locator(".st-key-gate-text textarea")
        editor.click()
        settle(page)
        editor.fill(text)
        page.get_by_test_id("stPopoverButton").click()
        with page.expect_download() as downloading:
            page.get_by_role("button", name="gate.yaml").click()
        assert Path(downloading.value.path()).read_text() == text


def test_an_older_run_is_opened_by_its_address(product: Product, page: Page) -> None:
    """A run that is no longer among the newest of the list is compared and tried all the same."""
    store = Store.open(Settings(data_dir=product.data_dir))
    finished, _ = store.list_runs()
    with store._database.write() as connection:
        old = finished[-1].created_at - timedelta(days=300)
        connection.execute(sa.update(run).where(run.c.id == finished[-1].id).values(created_at=old))
        rows = [
            dict(row)
            for row in connection.execute(sa.select(run).where(run.c.id == finished[0].id))
            .mappings()
            .all()
        ]
        copies = [rows[0] | {"id": new_run_id(), "idempotency_key": None} for _ in range(210)]
        connection.execute(sa.insert(run), copies)
    store.close()
    ids = f"{finished[-1].id},{finished[0].id}"
    visit(page, f"{product.dashboard}/compare?runs={ids}")
    expect(page.get_by_text("Got better")).to_be_visible()
    visit(page, f"{product.dashboard}/gate?run={finished[-1].id}")
    expect(page.locator(".st-key-gate-run input")).to_have_value(re.compile(finished[-1].id[-6:]))
    assert_no_error_box(page)
