"""A comparison of two tables as an HTML page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import drift
from drift_ranking import expected_harm
from drift_types import DriftReport, DriftVerdict, FeatureHarm
from report_drift import render_drift_html


class _Page(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def report() -> DriftReport:
    rng = np.random.default_rng(0)
    names = ["calm", "<script>alert(1)</script>"]
    old, new = (pd.DataFrame({name: rng.normal(size=200) for name in names}) for _ in range(2))
    return drift.compare_frames(old, new.assign(**{names[1]: new[names[1]] + 2}))


@pytest.fixture(scope="module")
def page(report: DriftReport) -> _Page:
    return _Page(render_drift_html(report, names=("old.csv", "<b>new"), made="today"))


def test_the_page_shows_every_column_and_test(report: DriftReport, page: _Page) -> None:
    """Each column's sentence and each test's formula line stands in the page."""
    for feature in report.features:
        assert feature.why in page.text
    n_tests = sum(len(feature.tests) for feature in report.features)
    assert len(re.findall(r"(◆ drift|○ silent|–)", page.text)) >= n_tests


def test_the_page_runs_and_loads_nothing(page: _Page) -> None:
    """Names from the data are text, no tag but ours appears, and nothing is fetched."""
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "b", "img", "link", "iframe"}
    assert not any("src" in attributes or "href" in attributes for _, attributes in page.tags)
    assert "<script>alert(1)</script>" in page.text


def test_bars_show_the_shares_of_both_tables(report: DriftReport, page: _Page) -> None:
    """Heights of a picture's bars are in proportion to the counts of its histogram."""
    heights = [float(a["height"] or 0) for tag, a in page.tags if tag == "rect"]
    worst = max(report.features, key=lambda each: each.verdict is DriftVerdict.DRIFT)
    counts = np.array(worst.reference.counts + worst.current.counts, dtype=float)
    assert heights[: len(counts)] == pytest.approx(36 * counts / counts.max(), abs=0.01)


def test_expected_harm_is_drift_times_effect(report: DriftReport) -> None:
    """Two standard deviations of a column whose one flips a tenth of the answers: a fifth."""
    moved = next(f for f in report.features if f.verdict is DriftVerdict.DRIFT)
    effect = next(t for t in moved.tests if t.name == "value_distribution").effect_size
    assert expected_harm(moved, FeatureHarm(feature="x", harm=0.1)) == pytest.approx(
        0.1 * (effect or 0)
    )
    calm = next(f for f in report.features if f.verdict is DriftVerdict.NONE)
    assert expected_harm(calm, FeatureHarm(feature="x", harm=0.9)) == 0.0
