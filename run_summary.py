"""The few numbers of a report that lists and trends show.

Owns: ``main_metric``, ``summarise`` and ``trend_metrics``. Pure: they pick values that the
report already holds.
"""

from __future__ import annotations

from base_types import Estimate
from model_types import Task
from report_types import Metric, TestReport, Verdict
from run_types import RunSummary

MAIN_METRICS: dict[Task, tuple[str, ...]] = {
    Task.BINARY: ("balanced_accuracy", "accuracy"),
    Task.MULTICLASS: ("balanced_accuracy", "accuracy"),
    Task.MULTILABEL: ("f1_micro", "accuracy"),
    Task.MULTIOUTPUT: ("accuracy",),
    Task.REGRESSION: ("r2", "root_mean_squared_error", "mean_absolute_error"),
    Task.CLUSTERING: (),
    Task.OUTLIER: ("balanced_accuracy",),
}
"""The metric that decides, per task, the first that has a value: balanced accuracy does not reward
guessing the big class; the squares of very large errors overflow where their sizes do not."""


def main_metric(report: TestReport) -> Metric | None:
    """Return the metric that decides for this task, if it could be computed."""
    if report.model.info is None:
        return None
    known = {
        metric.name: metric
        for metric in report.quality.metrics
        if metric.estimate.value is not None
    }
    named = (known[name] for name in MAIN_METRICS[report.model.info.task] if name in known)
    return next(named, None)


def summarise(report: TestReport) -> RunSummary:
    """Return what the list of runs shows of a report."""
    verdicts = [check.verdict for check in report.verdict.checks]
    info = report.model.info
    metric = main_metric(report)
    estimate = metric.estimate if metric else Estimate()
    ranking = report.drift.ranking
    return RunSummary(
        verdict=report.verdict.verdict,
        gate_verdict=report.gate.verdict if report.gate else None,
        verdict_summary=report.verdict.summary or None,
        n_failed_checks=verdicts.count(Verdict.FAIL),
        n_warned_checks=verdicts.count(Verdict.WARN),
        task=info.task.value if info else None,
        estimator=(info.final_estimator or info.estimator) if info else None,
        metric_name=metric.name if metric else None,
        metric_value=estimate.value,
        metric_low=estimate.low,
        metric_high=estimate.high,
        p50_ms=_percentile(report, "p50").value,
        p95_ms=_percentile(report, "p95").value,
        drift_harm=max((item.harm for item in ranking), default=None),
    )


def trend_metrics(report: TestReport) -> dict[str, Estimate]:
    """Return every number worth following from run to run, by name; only those with a value."""
    performance = report.performance
    numbers = {item.name: item.estimate for item in report.quality.metrics}
    for name in performance.percentiles_ms:
        numbers[f"{name}_ms"] = _percentile(report, name)
    numbers |= {
        "cold_call_ms": Estimate(value=performance.cold_call_ms),
        "best_rows_per_second": Estimate(value=performance.best_rows_per_second),
        "peak_memory_mb": Estimate(value=performance.peak_memory_mb),
        "error_rate": performance.error_rate,
        "drift_harm": Estimate(value=summarise(report).drift_harm),
    }
    return {name: number for name, number in numbers.items() if number.value is not None}


def _percentile(report: TestReport, name: str) -> Estimate:
    return report.performance.percentiles_ms.get(name, Estimate())
