"""What the reports promise: complete, self-contained, and harmless whatever the names are."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import zipfile
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from plotly.offline import get_plotlyjs

import reports
from formatting import LOOKS
from report_types import TestReport, Verdict
from tests.report_factory import (
    FORMULA_NAME,
    SCRIPT_NAME,
    FactoryTask,
    make_empty_report,
    make_report,
)

TASKS: tuple[FactoryTask, ...] = ("binary", "multiclass", "regression")


class Page(HTMLParser):
    """Collects the tags, the attributes and the text of a page as a browser would read it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Note text outside scripts and styles."""
        if self.cdata_elem is None:
            self.text += data


@pytest.fixture(scope="module", params=TASKS)
def html(request: pytest.FixtureRequest) -> str:
    return reports.render_html(make_report(request.param))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def without_library(html: str) -> str:
    return html.replace(get_plotlyjs(), "")


def test_a_report_refers_to_nothing_outside(html: str, page: Page) -> None:
    """No address in the page, and no element that would fetch anything."""
    visible = without_library(html).replace("http://evil.example", "")
    assert not re.search(r"https?://", visible)
    assert not {"link", "iframe", "object", "embed", "base", "form", "img"} & set(page.tags)
    loads = [value for name, value in page.attributes if name in ("src", "srcset", "action")]
    assert loads == []
    targets = [value or "" for name, value in page.attributes if name == "href"]
    assert all(target.startswith("#") for target in targets)


def test_links_inside_a_report_lead_somewhere(page: Page) -> None:
    """Every link has its target in the page."""
    ids = {value for name, value in page.attributes if name == "id"}
    targets = {(value or "")[1:] for name, value in page.attributes if name == "href"}
    assert targets <= ids


def test_a_report_is_small(html: str) -> None:
    """The drawing library and at most 1.2 MB more."""
    assert len(html.encode()) < len(get_plotlyjs().encode()) + 1_200_000


def test_names_of_others_are_text(html: str, page: Page) -> None:
    """A name that is a script element is shown, never opened; control characters are gone."""
    assert SCRIPT_NAME not in without_library(html)
    assert SCRIPT_NAME in page.text
    assert page.tags.count("script") == 4
    assert not re.search(r"[\x00\x07\u202e]", without_library(html))


def test_the_policy_allows_the_two_scripts_and_nothing_else(html: str) -> None:
    """Both running scripts are named by their hash; default is none."""
    content = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert content is not None
    policy = content[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    for script in re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_every_place_for_a_chart_has_its_figure(html: str, page: Page) -> None:
    """Names in the page and in the data agree, and each chart is told in words."""
    block = re.search(r'id="figures">(.*?)</script>', html, flags=re.DOTALL)
    assert block is not None
    places = [value for name, value in page.attributes if name == "data-figure"]
    assert len(places) > 12
    assert set(places) == set(json.loads(block[1]))
    assert sum(name == "aria-label" for name, _ in page.attributes) >= len(places)


def test_the_verdict_comes_first_and_its_counts_add_up(html: str, page: Page) -> None:
    """Banner before sections; fail, warn, pass and not checked sum to the checks."""
    assert html.index('id="verdict"') < html.index('id="performance"')
    amounts = re.findall(r"(\d+) (?:fail|warn|pass|not checked)\b", page.text)
    assert sum(map(int, amounts)) == len(make_report().verdict.checks)


def test_numbers_carry_units_thresholds_and_explanations(page: Page) -> None:
    """A latency shows its unit, its limit and a tooltip."""
    assert "2.31 ms, demanded ≤ 100 ms" in page.text
    titles = [value or "" for name, value in page.attributes if name == "title"]
    assert any("19 of 20 calls are faster" in title for title in titles)


def test_what_was_skipped_says_why() -> None:
    """A report of a model that does not load is whole and names the reason in every section."""
    page = Page(reports.render_html(make_empty_report("The file is cut off.")))
    assert page.text.count("The file is cut off.") >= 7
    assert "Skipped" in page.text


@pytest.mark.parametrize("task", TASKS)
def test_json_reads_back_unchanged(task: FactoryTask) -> None:
    """The JSON text holds the whole report under its public names."""
    report = make_report(task)
    text = reports.render_json(report)
    assert TestReport.model_validate_json(text) == report
    assert "schema" in json.loads(text)


@pytest.mark.parametrize("task", TASKS)
def test_csv_tables_read_back(task: FactoryTask) -> None:
    """Every table is rectangular and keeps every digit."""
    tables = reports.csv_tables(make_report(task))
    for name, text in tables.items():
        rows = list(csv.reader(io.StringIO(text)))
        assert len(rows) > 1, name
        assert len({len(row) for row in rows}) == 1, name
    batches = list(csv.DictReader(io.StringIO(tables["batches.csv"])))
    assert float(batches[-1]["us_per_row"]) == 13.9


def test_the_promised_tables_are_there() -> None:
    """Checks, metrics, classes, batches, behaviour, drift, importance and columns."""
    names = set(reports.csv_tables(make_report("binary")))
    promised = "checks metrics per_class batches behaviour drift_points importance columns"
    assert {f"{name}.csv" for name in promised.split()} <= names


def test_no_cell_is_a_formula() -> None:
    """No cell of any table starts like a formula, headers included."""
    tables = reports.csv_tables(make_report("multiclass"))
    cells = [
        cell for text in tables.values() for row in csv.reader(io.StringIO(text)) for cell in row
    ]
    for cell in cells:
        is_number = re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell) is not None
        assert is_number or not cell.startswith(("=", "+", "-", "@", "\t"))
    assert any(cell.endswith(FORMULA_NAME) for cell in cells)


def test_the_archive_holds_all_tables_and_is_reproducible() -> None:
    """Unzipping gives the CSV texts, and zipping twice the same bytes."""
    report = make_report()
    archive = reports.zip_tables(report)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        found = {name: opened.read(name).decode() for name in opened.namelist()}
    assert found == reports.csv_tables(report)
    assert archive == reports.zip_tables(report)


def test_junit_counts_what_it_holds() -> None:
    """One case per check; failures, skipped and totals agree with the verdict."""
    report = make_report()
    root = ET.fromstring(reports.render_junit(report))  # noqa: S314 - our own output
    verdicts = [check.verdict for check in report.verdict.checks]
    assert len(root.findall(".//testcase")) == len(verdicts) == int(root.get("tests", "0"))
    assert len(root.findall(".//failure")) == verdicts.count(Verdict.FAIL)
    assert len(root.findall(".//skipped")) == verdicts.count(Verdict.SKIP)
    suites = {suite.get("name") for suite in root}
    assert suites == {check.section for check in report.verdict.checks}


def test_junit_reports_a_failed_stage_as_error() -> None:
    """A model that does not load is an error, what could not run is skipped."""
    text = reports.render_junit(make_empty_report("Bell\x07 rang."))
    root = ET.fromstring(text)  # noqa: S314 - our own output
    assert [error.get("message") for error in root.iter("error")] == ["Bell rang."]
    assert root.get("errors") == "1"
    assert len(list(root.iter("skipped"))) == 6


def test_markdown_names_verdict_numbers_and_checks() -> None:
    """The summary begins with the verdict and has a line per check, all cells in place."""
    report = make_report()
    lines = reports.render_markdown(report).splitlines()
    assert lines[0].startswith("# ✖ Fail")
    rows = [
        line for line in lines if line.startswith(tuple(f"| {x.symbol}" for x in LOOKS.values()))
    ]
    assert len(rows) == len(report.verdict.checks)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


def test_markdown_of_an_empty_report_says_what_was_not_run() -> None:
    """Every section that is missing is listed with its reason."""
    text = reports.render_markdown(make_empty_report("No file."))
    assert text.count("No file") == 7


def test_names_of_downloads_suit_every_system() -> None:
    """Letters, digits, dashes; model, run and time are in it."""
    name = reports.file_name(make_report(), "html")
    assert re.fullmatch(r"[A-Za-z0-9_]+-0f3c2a9e-20261121-1403\.html", name)
