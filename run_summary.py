"""The few numbers of a report that lists and trends show.

Owns: ``summarise`` and ``trend_metrics``. Pure: both pick values that the report already holds.
"""

from __future__ import annotations

from base_types import Estimate
from report_types import Metric, TestReport, Verdict
from run_types import RunSummary

MAIN_METRICS = ("balanced_accuracy", "accuracy", "f1_macro", "r2", "r2_score", "silhouette_score")
"""Which quality metric stands for a run in lists, the first that has a value; names by
scikit-learn. Balanced accuracy and R² come first because both are 0-to-1 scales that a trivial
model cannot look good on."""


def main_metric(metrics: list[Metric]) -> Metric | None:
    """Return the metric that stands for the run, or None when there is none with a value.

    Examples
    --------
    >>> main_metric([Metric(name="accuracy", estimate=Estimate(value=0.9))]).name
    'accuracy'
    """
    known = {item.name: item for item in metrics if item.estimate.value is not None}
    named = (known[name] for name in MAIN_METRICS if name in known)
    return next(named, None) or next(iter(known.values()), None)


def summarise(report: TestReport) -> RunSummary:
    """Return what the list of runs shows of a report."""
    verdicts = [check.verdict for check in report.verdict.checks]
    info = report.model.info
    metric = main_metric(report.quality.metrics)
    estimate = metric.estimate if metric else Estimate()
    ranking = report.drift.ranking
    return RunSummary(
        verdict=report.verdict.verdict,
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
