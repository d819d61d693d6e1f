"""The result of comparing two tables as flat files and rows.

Owns: the order of columns by severity, the CSV of a ``DriftReport``, and the severity from which a
test has power.
"""

from __future__ import annotations

import csv
from io import StringIO

from base_types import Cell
from drift_types import DriftReport, DriftTest, DriftVerdict, FeatureDrift, ScenarioResult
from formatting import csv_safe

_RANK = {
    DriftVerdict.DRIFT: 0,
    DriftVerdict.POSSIBLE: 1,
    DriftVerdict.UNKNOWN: 2,
    DriftVerdict.NONE: 3,
}

HEADER = (
    "column",
    "kind",
    "verdict",
    "why",
    "n_reference",
    "n_current",
    "missing_reference",
    "missing_current",
    "new_categories",
    "test",
    "statistic",
    "p_value",
    "p_adjusted",
    "effect_size",
    "threshold",
    "threshold_source",
    "drift_detected",
    "method",
)


def by_severity(features: list[FeatureDrift]) -> list[FeatureDrift]:
    """Return the columns, drifted ones first and among them the largest effect over its floor."""
    return sorted(features, key=lambda each: (_RANK[each.verdict], -severity(each)))


def severity(drift: FeatureDrift) -> float:
    """Return the largest effect as a multiple of its floor; 0 where nothing was tested."""
    return max((_multiple(test) for test in drift.tests), default=0.0)


def deciding_test(drift: FeatureDrift) -> DriftTest | None:
    """Return the question with the largest effect over its floor; None where there is none."""
    asked = [test for test in drift.tests if test.p_adjusted is not None]
    return max(asked, key=_multiple, default=None)


def _multiple(test: DriftTest) -> float:
    if test.p_adjusted is None or test.effect_size is None or not test.threshold:
        return 0.0
    return abs(test.effect_size) / test.threshold


def report_csv(report: DriftReport) -> str:
    """Return one line per column and test; the prediction, if compared, comes last."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    features = by_severity(report.features)
    for drift in [*features, report.prediction] if report.prediction else features:
        tests: list[DriftTest | None] = [*drift.tests] or [None]
        for test in tests:
            writer.writerow([csv_safe(cell) for cell in _line(drift, test)])
    return stream.getvalue()


def _line(drift: FeatureDrift, test: DriftTest | None) -> list[Cell]:
    about: list[Cell] = [
        drift.feature,
        drift.kind,
        drift.verdict.value,
        drift.why,
        drift.n_reference,
        drift.n_current,
        drift.missing_reference,
        drift.missing_current,
        "; ".join(drift.new_categories),
    ]
    if test is None:
        return about
    return [
        *about,
        test.name,
        test.statistic,
        test.p_value,
        test.p_adjusted,
        test.effect_size,
        test.threshold,
        test.threshold_source,
        test.drift_detected,
        test.method,
    ]


def first_with_power(scenario: ScenarioResult, test: str, power: float = 0.8) -> float | None:
    """Return the severity from which on a test notices at least this often; None if never.

    Examples
    --------
    >>> from drift_types import SeverityPoint
    >>> points = [SeverityPoint(severity=s, power={"psi": p}) for s, p in ((0.5, 0.3), (1.0, 0.9))]
    >>> drawn = ScenarioResult(id="a", title="", description="", unit="", points=points)
    >>> first_with_power(drawn, "psi")
    1.0
    """
    first = None
    for point in reversed(scenario.points):
        if point.power.get(test, 0.0) < power:
            break
        first = point.severity
    return first
