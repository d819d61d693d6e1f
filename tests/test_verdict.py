"""From a report to pass, warn or fail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from base_types import Estimate, Status
from drift_types import ScenarioResult, SeverityPoint
from model_types import ModelFileInfo, ModelInfo, Safety, Task
from probability_curves import calibration, calibration_noise
from report_types import (
    BehaviourCase,
    BehaviourVerdict,
    CalibrationBin,
    Check,
    Metric,
    RunConfig,
    Stage,
    StageRecord,
    TestReport,
    Verdict,
)
from run_summary import main_metric
from verdict import THRESHOLDS, judge


@pytest.fixture
def report() -> TestReport:
    """A healthy binary classifier on 400 rows."""
    healthy = TestReport(run_id="r", created_at=datetime.now(UTC))
    healthy.model.info = ModelInfo(task=Task.BINARY, estimator="Forest", classes=["no", "yes"])
    healthy.model.file = ModelFileInfo(
        name="m.pkl", size_bytes=1, sha256="0" * 64, container="pickle", safety=Safety.TRUSTED
    )
    healthy.performance.percentiles_ms = {"p95": Estimate(value=3.0)}
    healthy.performance.error_rate = Estimate(value=0.0)
    healthy.quality.has_labels = True
    healthy.quality.metrics = [accuracy(0.9, 0.85, 0.95)]
    healthy.drift.n_reference = 200
    return healthy


def accuracy(value: float, low: float, high: float) -> Metric:
    estimate = Estimate(value=value, low=low, high=high)
    return Metric(name="balanced_accuracy", estimate=estimate, baseline=0.5)


def check(report: TestReport, identifier: str) -> Check:
    return next(item for item in judge(report).checks if item.id == identifier)


def test_a_healthy_model_passes(report: TestReport) -> None:
    """Nothing wrong: pass, and the summary says so."""
    result = judge(report)
    assert result.verdict is Verdict.PASS
    assert "passed" in result.summary


@pytest.mark.parametrize(
    ("p95_ms", "expected"),
    [(100.0, Verdict.PASS), (100.1, Verdict.WARN), (1000.0, Verdict.WARN), (1001.0, Verdict.FAIL)],
)
def test_latency_limits(report: TestReport, p95_ms: float, expected: Verdict) -> None:
    """A tenth of a second warns, a second fails."""
    report.performance.percentiles_ms = {"p95": Estimate(value=p95_ms)}
    assert check(report, "performance.latency").verdict is expected


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (accuracy(0.9, 0.85, 0.95), Verdict.PASS),
        (accuracy(0.55, 0.45, 0.65), Verdict.WARN),
        (accuracy(0.5, 0.45, 0.55), Verdict.FAIL),
        (accuracy(0.3, 0.2, 0.4), Verdict.FAIL),
    ],
)
def test_quality_is_weighed_against_the_trivial_model(
    report: TestReport, metric: Metric, expected: Verdict
) -> None:
    """Better than chance passes, perhaps better warns, no better fails."""
    report.quality.metrics = [metric]
    assert check(report, "quality.baseline").verdict is expected
    assert judge(report).verdict is expected


def test_without_labels_quality_is_not_judged(report: TestReport) -> None:
    """A check that cannot be made is skipped and does not count."""
    report.quality.has_labels = False
    report.quality.metrics = []
    assert check(report, "quality.baseline").verdict is Verdict.SKIP
    assert judge(report).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("group", "expected"), [("consistency", Verdict.FAIL), ("structure", Verdict.WARN)]
)
def test_broken_behaviour(report: TestReport, group: Any, expected: Verdict) -> None:
    """A model that contradicts itself fails; one that breaks on a misshapen table warns."""
    report.behaviour.cases = [
        BehaviourCase(
            id="x",
            group=group,
            title="t",
            sent="s",
            came_back="c",
            verdict=BehaviourVerdict.BROKEN,
        )
    ]
    assert judge(report).verdict is expected


@pytest.mark.parametrize(
    ("harms", "noticed", "expected"),
    [
        ((0.0, 0.0), None, Verdict.PASS),
        ((0.0, 0.2), 1.0, Verdict.PASS),
        ((0.2, 0.4), 1.0, Verdict.WARN),
        ((0.2, 0.4), 0.5, Verdict.PASS),
        ((None, 0.1), None, Verdict.WARN),
        ((None, 0.09), None, Verdict.PASS),
    ],
)
def test_the_alarm_must_ring_before_the_damage(
    report: TestReport,
    harms: tuple[float | None, float],
    noticed: float | None,
    expected: Verdict,
) -> None:
    """Harm from 10 % on at a lower severity than the alarm needs is a warning."""
    points = [
        SeverityPoint(severity=severity, harm=harm)
        for severity, harm in zip((0.5, 1.0), harms, strict=True)
    ]
    scenario = ScenarioResult(
        id="s",
        title="S",
        description="",
        unit="",
        points=points,
        first_noticed={"default": noticed},
    )
    report.drift.scenarios = [scenario]
    assert check(report, "drift.alarm").verdict is expected


def test_few_rows_do_not_judge_the_alarm(report: TestReport) -> None:
    """With few rows no test can be early, so the check is skipped and says why."""
    report.drift.n_reference = 40
    item = check(report, "drift.alarm")
    assert item.verdict is Verdict.SKIP
    assert "40 reference rows" in item.reason


def test_a_model_that_does_not_load_fails(report: TestReport) -> None:
    """Only the load is judged, with its reason."""
    report.model.info = None
    report.model.status, report.model.reason = Status.FAILED, "The model crashed."
    result = judge(report)
    assert result.verdict is Verdict.FAIL
    assert result.checks[0].reason == "The model crashed."


def test_a_threshold_set_for_the_run_wins(report: TestReport) -> None:
    """An override changes the verdict and is named as its source."""
    report.config = RunConfig(thresholds={"latency_p95_warn_ms": 1.0})
    item = check(report, "performance.latency")
    assert (item.verdict, item.threshold) == (Verdict.WARN, 1.0)
    assert item.threshold_source == "Set for this run."


def test_failing_checks_come_first(report: TestReport) -> None:
    """Checks are ordered fail, warn, pass, skip."""
    report.quality.metrics = [accuracy(0.3, 0.2, 0.4)]
    report.quality.expected_calibration_error = 0.3
    order = [item.verdict for item in judge(report).checks]
    rank = [Verdict.FAIL, Verdict.WARN, Verdict.PASS, Verdict.SKIP]
    assert order == sorted(order, key=rank.index)


def test_every_threshold_has_a_source() -> None:
    """No limit without the reason for it."""
    assert all(len(threshold.source) > 20 for threshold in THRESHOLDS.values())


def test_the_main_metric_is_none_where_it_could_not_be_computed(report: TestReport) -> None:
    """A metric without a value does not decide."""
    report.quality.metrics[0].estimate = Estimate(reason="one class only")
    assert main_metric(report) is None


def test_a_sample_that_could_not_be_used_is_no_pass(report: TestReport) -> None:
    """Whoever gave a sample is warned that the model was tested on made-up rows instead."""
    report.data.sha256, report.data.source = "0" * 64, "synthetic"
    report.data.warnings = ["Column 'zip' is missing. Synthetic rows were used instead."]
    found = check(report, "data.sample")
    assert (found.verdict, found.reason) == (Verdict.WARN, report.data.warnings[0])
    assert judge(report).verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("task", "expected"), [(Task.BINARY, Verdict.WARN), (Task.CLUSTERING, Verdict.PASS)]
)
def test_answers_that_could_not_be_used_are_no_pass(
    report: TestReport, task: Task, expected: Verdict
) -> None:
    """Named true answers without a metric warn, except where no answer can be true."""
    assert report.model.info is not None
    report.model.info.task = task
    report.data.sha256, report.data.source = "0" * 64, "sample"
    report.data.target = "price"
    unknown = Metric(name="r2", estimate=Estimate(reason="No label is a finite number."))
    report.quality.metrics = [unknown]
    assert judge(report).verdict is expected


def test_a_part_that_failed_is_no_pass(report: TestReport) -> None:
    """A stage that could not be finished is told with its reason."""
    report.stages = [StageRecord(stage=Stage.DRIFT, status=Status.FAILED, reason="No memory.")]
    assert check(report, "drift.ran").reason == "No memory."
    assert judge(report).verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("name", "higher"), [("balanced_accuracy", True), ("root_mean_squared_error", False)]
)
def test_rows_of_one_answer_fail_no_model(report: TestReport, name: str, higher: bool) -> None:
    """Where every true answer is the same, a constant is perfect and proves nothing."""
    assert report.model.info is not None
    report.model.info.task = Task.BINARY if higher else Task.REGRESSION
    perfect = Estimate(value=0.9 if higher else 0.1, low=0.05, high=0.95)
    report.quality.metrics = [
        Metric(name=name, estimate=perfect, baseline=float(higher), higher_is_better=higher)
    ]
    found = check(report, "quality.baseline")
    assert (found.verdict, "alike" in found.reason) == (Verdict.WARN, True)


@pytest.mark.parametrize(("n", "expected"), [(8, Verdict.WARN), (300, Verdict.FAIL)])
def test_few_rows_fail_no_model_for_bad_luck(report: TestReport, n: int, expected: Verdict) -> None:
    """On 8 rows a score under the trivial model's, its interval reaching above, is no proof."""
    estimate = Estimate(value=0.33, low=0.1, high=0.75, n=n)
    report.quality.metrics = [Metric(name="balanced_accuracy", estimate=estimate, baseline=0.5)]
    assert check(report, "quality.baseline").verdict is expected


@pytest.mark.parametrize("n", [20, 60, 300])
def test_noise_of_the_calibration_error_is_that_of_true_probabilities(n: int) -> None:
    """Rows drawn with just the stated probabilities stay under the bound 19 times of 20."""
    rng = np.random.default_rng(n)
    under = 0
    for _ in range(400):
        stated = rng.uniform(0.05, 0.95, n)
        bins, error = calibration(stated, rng.random(n) < stated)
        under += error <= calibration_noise(bins)
    assert 0.92 <= under / 400 <= 0.985


def test_calibration_is_not_judged_by_noise(report: TestReport) -> None:
    """An error that true probabilities show on as few rows is skipped; a larger one warns."""
    report.quality.calibration = [CalibrationBin(n=8, predicted=0.5, observed=0.25, low=0, high=1)]
    report.quality.expected_calibration_error = 0.25
    assert check(report, "quality.calibration").verdict is Verdict.SKIP
    report.quality.expected_calibration_error = 0.4
    assert check(report, "quality.calibration").verdict is Verdict.WARN
