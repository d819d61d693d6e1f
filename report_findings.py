"""Tables of a report beyond the sections' own: data check, load, groups, gain, residuals.

Owns: what their rows hold; ``report_tables`` writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from base_types import Cell
from report_types import TestReport


class Findings(NamedTuple):
    """Name, title, keys of the columns and rows of a table."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[list[Cell]]


def further_tables(report: TestReport, section: str) -> Iterator[Findings]:
    """Yield the further tables of a section; tables without rows too."""
    if section in _FURTHER:
        yield from _FURTHER[section](report)


def _performance(report: TestReport) -> Iterator[Findings]:
    load = report.performance.load
    if load is None:
        return
    points = load.arrivals + ([load.chosen] if load.chosen else [])
    rows: list[list[Cell]] = [
        [p.rate, p.utilisation, p.p50_ms, p.p99_ms, p.p99_low_ms, p.p99_high_ms] for p in points
    ]
    columns = ("calls_per_second", "utilisation", "p50_ms", "p99_ms", "p99_low_ms", "p99_high_ms")
    yield Findings("load", "Under load", columns, rows)
    processes: list[list[Cell]] = [
        [p.processes, p.calls_per_second, p.efficiency, p.p50.value, p.p95.value, p.p99.value]
        for p in load.concurrency
    ]
    keys = ("processes", "calls_per_second", "efficiency", "p50_ms", "p95_ms", "p99_ms")
    yield Findings("processes", "Processes at once", keys, processes)


def _quality(report: TestReport) -> Iterator[Findings]:
    groups, details = report.quality.groups, report.quality.details
    if groups is not None:
        rows: list[list[Cell]] = [
            [gap.measure, value.group, value.estimate.value, value.estimate.n]
            for gap in groups.gaps
            for value in gap.groups
        ]
        columns = ("measure", "group", "value", "n")
        yield Findings("groups", f"Groups of {groups.column}", columns, rows)
    if details is not None:
        gain: list[list[Cell]] = [
            [point.share_flagged, point.recall, point.precision, point.lift]
            for point in details.gain
        ]
        columns = ("share_flagged", "recall", "precision", "lift")
        yield Findings("gain", "Gain and lift", columns, gain)
        trends: list[list[Cell]] = [
            [item.against, item.correlation, item.p_adjusted, item.size_correlation]
            for item in details.residuals
        ]
        columns = ("against", "correlation", "p_adjusted", "size_correlation")
        yield Findings("residual_trends", "Residuals against columns", columns, trends)
        outputs: list[list[Cell]] = [
            [item.output, item.name, item.estimate.value, item.estimate.low, item.estimate.high]
            for item in details.outputs
        ]
        keys = ("output", "metric", "value", "low", "high")
        yield Findings("outputs", "Each output alone", keys, outputs)


def _data(report: TestReport) -> Iterator[Findings]:
    if report.validation is None:
        return
    rows: list[list[Cell]] = [
        [check.title, check.finding.value, check.found, check.cost, check.advice]
        for check in report.validation.checks
    ]
    title = f"Data check: {report.validation.score} of 100 points"
    yield Findings("data_check", title, ("check", "finding", "found", "cost", "advice"), rows)


_FURTHER: dict[str, Callable[[TestReport], Iterator[Findings]]] = {
    "performance": _performance,
    "quality": _quality,
    "data": _data,
}
