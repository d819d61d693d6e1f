"""The numbers of a report that a policy can set limits for, by name.

Owns: ``gate_numbers``. Names are those of the API's ``metrics`` and of the comparison page.
"""

from __future__ import annotations

from base_types import Estimate, Status
from comparison import Number, report_numbers
from report_types import BehaviourVerdict, Slice, TestReport
from run_summary import trend_metrics

_TIMINGS = ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms", "cold_call_ms")
_UNITS: dict[str, tuple[str, str, bool]] = {
    **dict.fromkeys(_TIMINGS, ("Performance", "ms", False)),
    "best_rows_per_second": ("Performance", "rows/s", True),
    "peak_memory_mb": ("Performance", "MB", False),
    "error_rate": ("Performance", "share", False),
    "drift_harm": ("Drift", "share", False),
}


def gate_numbers(report: TestReport) -> dict[str, Number]:
    """Return every number a rule may name, those without a value left out."""
    directions = {metric.name: metric.higher_is_better for metric in report.quality.metrics}
    found: dict[str, Number] = {}
    for name, value in trend_metrics(report).items():
        section, unit, better = _UNITS.get(name, ("Quality", "", directions.get(name, False)))
        found[name] = Number(name, section, value, unit, better)
    for number in report_numbers(report):
        if number.section not in ("Quality", "Performance"):
            found.setdefault(number.name, number)
    for number in _further(report):
        found[number.name] = number
    if report.validation is not None:
        score = Estimate(value=report.validation.score)
        found["data_score"] = Number("data_score", "Data", score, "", higher_is_better=True)
    return {name: number for name, number in found.items() if number.estimate.value is not None}


def _further(report: TestReport) -> list[Number]:
    quality, cases = report.quality, report.behaviour.cases
    confirmed = [part for part in quality.slices if part.confirmed]
    gaps = [gap for part in confirmed if (gap := _gap(part)) is not None]
    labelled = quality.status is Status.OK and quality.has_labels
    values: list[tuple[str, str, float | None, str]] = [
        ("expected_calibration_error", "Quality", quality.expected_calibration_error, ""),
        ("confirmed_slices", "Quality", float(len(confirmed)) if labelled else None, ""),
        ("worst_slice_gap", "Quality", max(gaps, default=0.0) if labelled else None, ""),
        ("undisturbed_p95_ms", "Performance", _calm_p95(report), "ms"),
        ("load_ms", "Model", report.model.load_ms, "ms"),
    ]
    for verdict in (BehaviourVerdict.BROKEN, BehaviourVerdict.SILENT):
        amount = float(sum(case.verdict is verdict for case in cases)) if cases else None
        values.append((f"{verdict.value}_cases", "Behaviour", amount, ""))
    for case in cases:
        if case.verdict is not BehaviourVerdict.SKIPPED:
            broken = float(case.verdict is BehaviourVerdict.BROKEN)
            values.append((f"broken.{case.id}", "Behaviour", broken, ""))
    return [
        Number(name, section, Estimate(value=value), unit, higher_is_better=False)
        for name, section, value, unit in values
    ]


def _calm_p95(report: TestReport) -> float | None:
    """Return p95 of the undisturbed calls; of all where too few were undisturbed to tell."""
    section = report.performance
    if section.undisturbed_p95_ms is not None:
        return section.undisturbed_p95_ms
    return section.percentiles_ms.get("p95", Estimate()).value


def _gap(part: Slice) -> float | None:
    if part.value.value is None or part.rest is None:
        return None
    return abs(part.rest - part.value.value)
