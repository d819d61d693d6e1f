"""What others read of a run: JUnit by its schema, Markdown by a Markdown library, HTML offline."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree, html
from markdown_it import MarkdownIt
from playwright.sync_api import BrowserContext, Page, expect

import reports
from base_types import Section, Status
from formatting import plain_text
from report_types import Check, TestReport, Verdict
from tests.report_factory import make_empty_report, make_report
from tests.test_gate_outputs import gated

JUNIT = etree.XMLSchema(etree.parse(str(Path(__file__).with_name("junit-10.xsd"))))
REPORTS = {
    "binary": make_report("binary"),
    "gated": gated(),
    "gated regression": gated("regression"),
    "empty": make_empty_report("Nothing was run: \x00\x1b[31m<b>]]>&amp;"),
}


def checks_of(report: TestReport) -> list[Check]:
    """Return the gate's lines and the product's own checks."""
    return [*(report.gate.checks if report.gate else []), *report.verdict.checks]


@pytest.mark.parametrize("name", REPORTS)
def test_junit_satisfies_the_schema_of_viewers(name: str) -> None:
    """Nothing is in the file that a viewer does not know."""
    JUNIT.assertValid(etree.fromstring(reports.render_junit(REPORTS[name]).encode()))


def test_the_schema_refuses_what_viewers_refuse() -> None:
    """The schema is one: an attribute that viewers do not know on the root is an error."""
    assert not JUNIT.validate(etree.fromstring('<testsuites skipped="1"/>'))
    assert not JUNIT.validate(etree.fromstring('<testsuite name="a" tests="1"/>'))


@pytest.mark.parametrize("name", REPORTS)
def test_each_check_is_one_case_with_its_reason(name: str) -> None:
    """One case per check, and one per stage that did not end well; failures say why."""
    report = REPORTS[name]
    root = etree.fromstring(reports.render_junit(report).encode())
    cases = root.xpath("//testcase[not(starts-with(@name, 'Stage '))]")
    checks = checks_of(report)
    assert sorted(case.get("classname") for case in cases) == sorted(
        plain_text(check.id) for check in checks
    )
    sections = [getattr(report, key) for key in TestReport.model_fields]
    unfinished = [s for s in sections if isinstance(s, Section) and s.status is not Status.OK]
    assert len(root.xpath("//testcase[starts-with(@name, 'Stage ')]")) <= len(unfinished)
    messages = {element.get("message") for element in root.xpath("//failure|//testcase/skipped")}
    decided = report.gate.checks if report.gate else report.verdict.checks
    for check in decided:
        if check.verdict in (Verdict.FAIL, Verdict.SKIP):
            assert plain_text(check.reason) in messages


@pytest.mark.parametrize("name", REPORTS)
def test_markdown_renders_to_tables_with_the_checks_words(name: str) -> None:
    """Read by a Markdown library, each check is a row of four cells, and names are only text."""
    report = REPORTS[name]
    rendered = MarkdownIt("commonmark").enable("table").render(reports.render_markdown(report))
    page = html.fragment_fromstring(rendered, create_parent="div")
    assert not page.xpath("//script|//a|//img|//iframe")
    rows = [
        [cell.text_content().strip() for cell in row.xpath("td")]
        for row in page.xpath("//table[.//th[text()='Why']]/tbody/tr")
    ]
    checks = checks_of(report)
    assert len(rows) == len(checks)
    for row, check in zip(rows, checks, strict=True):
        assert len(row) == 4
        assert row[1] == " ".join(plain_text(check.title, 100).split())


@pytest.mark.browser
def test_the_html_report_opens_with_the_network_off(
    browser: BrowserContext, page: Page, tmp_path: Path
) -> None:
    """From a file, without any network: charts are drawn, nothing fails, nothing is asked for."""
    path = tmp_path / "report.html"
    path.write_text(reports.render_html(REPORTS["gated"]), encoding="utf-8")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    browser.set_offline(True)
    try:
        page.goto(path.as_uri())
        page.locator(".chart").first.scroll_into_view_if_needed()  # drawn when it comes near
        expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        expect(page.get_by_text("Gate: fail").first).to_be_visible()
    finally:
        browser.set_offline(False)
    assert errors == []
