"""Two or more runs side by side: every number they share, and what got better or worse.

Owns: ``compare_reports``. The first report is the baseline. A difference counts only where the
intervals of both numbers do not overlap (a cautious test: it misses small real differences but
seldom invents one) or, for numbers without interval, where it exceeds five percent, for timings
fifty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from base_types import Estimate
from report_types import TestReport

UNCERTAIN_CHANGE = 0.05
"""Change below which numbers without an interval count as equal: relative, of shares absolute."""

UNCERTAIN_TIMING = 0.5
"""The same for timings, which vary so much from one hour to the next on one machine."""

_TIMINGS = {"ms", "rows/s"}


class Change(StrEnum):
    """What became of a number against the baseline."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no clear change"
    DIFFERENT = "different"
    UNKNOWN = "not comparable"


@dataclass(frozen=True, slots=True)
class Number:
    """One comparable number of one run."""

    name: str
    section: str
    estimate: Estimate
    unit: str
    higher_is_better: bool | None


@dataclass(frozen=True, slots=True)
class ComparedNumber:
    """The same number of several runs.

    Parameters
    ----------
    name, section, unit : str
        What it is.
    higher_is_better : bool or None
        None where neither direction is better.
    estimates : list of Estimate
        One per run; ``value`` is None with a reason where a run lacks it.
    changes : list of Change
        One per run, against the first; the first is always ``SAME``.
    """

    name: str
    section: str
    unit: str
    higher_is_better: bool | None
    estimates: list[Estimate]
    changes: list[Change]

    @property
    def differs(self) -> bool:
        """Whether any run differs from the baseline."""
        return any(change is not Change.SAME for change in self.changes[1:])


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything two or more runs share, and what differs in how they were made."""

    numbers: list[ComparedNumber]
    settings: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def compare_reports(reports: Sequence[TestReport]) -> Comparison:
    """Compare ``reports`` (two or more) with the first of them.

    Raises
    ------
    ValueError
        If fewer than two reports are given.
    """
    if len(reports) < 2:
        message = f"Two or more runs are needed for a comparison; there is {len(reports)}."
        raise ValueError(message)
    per_run = [{number.name: number for number in report_numbers(report)} for report in reports]
    names = list(dict.fromkeys(name for numbers in per_run for name in numbers))
    return Comparison(
        numbers=[_compare(name, per_run) for name in names],
        settings={key: row for key, row in _settings(reports).items() if len(set(row)) > 1},
        notes=list(_notes(reports)),
    )


def judge_change(
    baseline: Estimate,
    current: Estimate,
    *,
    higher_is_better: bool | None,
    unit: str = "",
) -> Change:
    """Say whether ``current`` differs from ``baseline``, and for better or worse.

    Without both intervals a difference counts beyond 5 %, for the units "share" beyond 5 points,
    for "ms" and "rows/s" beyond 50 %.

    Examples
    --------
    >>> before = Estimate(value=0.80, low=0.78, high=0.82)
    >>> after = Estimate(value=0.90, low=0.88, high=0.92)
    >>> str(judge_change(before, after, higher_is_better=True))
    'better'
    """
    if baseline.value is None or current.value is None:
        return Change.UNKNOWN
    if not _differs(baseline, current, (baseline.value, current.value), unit):
        return Change.SAME
    if higher_is_better is None:
        return Change.DIFFERENT
    return Change.BETTER if (current.value > baseline.value) == higher_is_better else Change.WORSE


def _differs(baseline: Estimate, current: Estimate, values: tuple[float, float], unit: str) -> bool:
    bounds = (baseline.low, baseline.high, current.low, current.high)
    if any(bound is None for bound in bounds):
        tolerance = UNCERTAIN_TIMING if unit in _TIMINGS else UNCERTAIN_CHANGE
        scale = 1.0 if unit == "share" else max(abs(values[0]), abs(values[1]))
        return abs(values[1] - values[0]) > tolerance * scale
    low, high, current_low, current_high = (float(bound or 0.0) for bound in bounds)
    return current_low > high or current_high < low


def _compare(name: str, per_run: list[dict[str, Number]]) -> ComparedNumber:
    first = next(numbers[name] for numbers in per_run if name in numbers)
    estimates = [
        numbers[name].estimate if name in numbers else Estimate(reason="This run does not have it.")
        for numbers in per_run
    ]
    better = first.higher_is_better
    changes = [Change.SAME] + [
        judge_change(estimates[0], estimate, higher_is_better=better, unit=first.unit)
        for estimate in estimates[1:]
    ]
    return ComparedNumber(
        name, first.section, first.unit, first.higher_is_better, estimates, changes
    )


def report_numbers(report: TestReport) -> Iterator[Number]:
    """Yield every number of a report that another run's can be compared with."""
    for metric in report.quality.metrics:
        yield Number(metric.name, "Quality", metric.estimate, "", metric.higher_is_better)
    calibration = report.quality.expected_calibration_error
    if calibration is not None:
        plain = Estimate(value=calibration, n=report.quality.n_rows)
        yield Number("expected_calibration_error", "Quality", plain, "", higher_is_better=False)
    speed = report.performance
    for name in ("p50", "p95", "p99"):
        if name in speed.percentiles_ms:
            estimate = speed.percentiles_ms[name]
            yield Number(f"latency_{name}", "Performance", estimate, "ms", higher_is_better=False)
    for name, value, unit, better in (
        ("rows_per_second", speed.best_rows_per_second, "rows/s", True),
        ("peak_memory", speed.peak_memory_mb, "MB", False),
        ("cold_call", speed.cold_call_ms, "ms", False),
    ):
        if value is not None:
            yield Number(name, "Performance", Estimate(value=value), unit, higher_is_better=better)
    yield from _drift_and_behaviour(report)


def _drift_and_behaviour(report: TestReport) -> Iterator[Number]:
    if report.performance.error_rate.value is not None:
        rate = report.performance.error_rate
        yield Number("error_rate", "Performance", rate, "share", higher_is_better=False)
    for point in report.behaviour.noise:
        name = f"flipped_by_noise_{point.noise:g}"
        yield Number(name, "Behaviour", point.flipped_share, "share", higher_is_better=False)
    for scenario in report.drift.scenarios:
        if scenario.harm is not None:
            harm = Estimate(value=scenario.harm)
            yield Number(f"harm_{scenario.id}", "Drift", harm, "share", higher_is_better=False)
    for output in report.explanations.outputs[:1]:
        for item in output.importance[:5]:
            share = Estimate(value=item.share)
            name = f"importance_of_{item.feature}"
            yield Number(name, "Explanations", share, "share", higher_is_better=None)


def _settings(reports: Sequence[TestReport]) -> dict[str, list[str]]:
    def row(pick: str) -> list[str]:
        return [_SETTINGS[pick](report) for report in reports]

    return {name: row(name) for name in _SETTINGS}


def _model_hash(report: TestReport) -> str:
    return report.model.file.sha256[:12] if report.model.file else "–"


_SETTINGS: dict[str, Callable[[TestReport], str]] = {
    "Model file": lambda report: report.model.file.name if report.model.file else "–",
    "Model SHA-256": _model_hash,
    "Estimator": lambda report: report.model.info.estimator if report.model.info else "–",
    "Task": lambda report: report.model.info.task.value if report.model.info else "–",
    "Data": lambda report: report.data.name or report.data.source,
    "Data SHA-256": lambda report: (report.data.sha256 or "–")[:12],
    "Rows": lambda report: str(report.data.n_rows),
    "Seed": lambda report: str(report.config.seed),
    "scikit-learn": lambda report: report.environment.libraries.get("scikit-learn", "–"),
    "numpy": lambda report: report.environment.libraries.get("numpy", "–"),
}


def _notes(reports: Sequence[TestReport]) -> Iterator[str]:
    tasks = {report.model.info.task.value for report in reports if report.model.info}
    if len(tasks) > 1:
        yield f"The models do different things ({', '.join(sorted(tasks))}): compare with care."
    data = {(report.data.sha256, report.data.n_rows, report.config.seed) for report in reports}
    if len(data) > 1:
        yield "The runs used different rows: part of a difference may come from the data."
