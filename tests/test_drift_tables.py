"""Claims about the table of a comparison: worst first, and every test in the CSV."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest

import drift
from drift_tables import HEADER, by_severity, deciding_test, report_csv, severity
from drift_types import DriftReport, DriftVerdict, FeatureDrift


@pytest.fixture(scope="module")
def report() -> DriftReport:
    rng = np.random.default_rng(0)
    old = pd.DataFrame(rng.normal(size=(500, 3)), columns=["same", "little", "much"])
    return drift.compare_frames(old, old.add([0.0, 0.4, 3.0]).assign(extra=1))


def test_the_worst_column_comes_first(report: DriftReport) -> None:
    """Columns are ordered by verdict, then by effect over its floor."""
    assert [f.feature for f in by_severity(report.features)] == ["much", "little", "same"]
    assert severity(by_severity(report.features)[0]) > 10


def test_the_deciding_test_is_the_one_that_rings(report: DriftReport) -> None:
    """It carries the corrected p-value and the effect shown in the table."""
    worst = deciding_test(by_severity(report.features)[0])
    assert worst is not None
    assert worst.name == "value_distribution"


def test_the_csv_holds_every_test(report: DriftReport) -> None:
    """Read back, it has one line per column and test with all fields."""
    lines = list(csv.DictReader(io.StringIO(report_csv(report))))
    assert len(lines) == sum(len(f.tests) for f in report.features)
    assert tuple(lines[0]) == HEADER
    first = by_severity(report.features)[0].tests[0]
    assert float(lines[0]["p_value"]) == first.p_value


def test_a_column_without_tests_still_has_a_line_that_no_spreadsheet_runs() -> None:
    """An absent column is one line, and its name cannot start a formula."""
    gone = FeatureDrift(
        feature="=cmd()",
        kind="float",
        n_reference=5,
        n_current=0,
        verdict=DriftVerdict.DRIFT,
        why="x",
    )
    line = report_csv(DriftReport(features=[gone], prediction=gone)).splitlines()
    assert len(line) == 3
    assert not line[1].startswith("=")
    assert (severity(gone), deciding_test(gone)) == (0.0, None)
