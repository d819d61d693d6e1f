"""Claims about the further tables of a report."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

from load_types import ArrivalPoint, LoadTest
from report_tables import csv_tables
from report_types import TestReport
from reports import render_html
from validation_types import DataCheck, Finding, ValidationSection


def report() -> TestReport:
    made = TestReport(run_id="x", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    check = DataCheck(
        id="rows", title="Rows", finding=Finding.WARN, found="=few <b>rows</b>", cost=4.0
    )
    made.validation = ValidationSection(score=96.0, checks=[check])
    made.performance.load = LoadTest(
        arrivals=[ArrivalPoint(rate=10, utilisation=0.5, p50_ms=1, p99_ms=9)]
    )
    return made


def test_findings_and_load_are_among_the_tables() -> None:
    """Both become CSV; a text that a spreadsheet would run is made harmless."""
    tables = csv_tables(report())
    check, load = (
        list(csv.DictReader(io.StringIO(tables[f"{n}.csv"]))) for n in ("data_check", "load")
    )
    assert check[0]["cost"] == "4.0"
    assert not check[0]["found"].startswith("=")
    assert load[0]["p99_ms"] == "9.0"


def test_the_html_report_shows_them_escaped() -> None:
    """The score is a heading, and markup in a finding stays text."""
    page = render_html(report())
    assert "96.0 of 100 points" in page
    assert "few <b>rows</b>" not in page


def test_a_report_without_them_has_no_such_tables() -> None:
    """Reports of before have neither."""
    plain = TestReport(run_id="x", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert not {"data_check.csv", "load.csv", "gain.csv"} & csv_tables(plain).keys()
