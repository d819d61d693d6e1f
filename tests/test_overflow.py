"""Answers near the end of double precision: a finished run with reasons, never a lost one."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression

from base_types import Estimate, Status
from drift_impact import Truth, quality
from errors import ModelError
from model_session import ModelSession
from model_sessions import Question
from model_types import Predictions
from quality_details import residual_trends
from report_types import RunConfig, RunRequest, Stage, TestReport, Verdict
from sandbox import WorkerParent
from settings import Settings
from storage import Store
from tests.session_runs import stored_run

numbers_overflow = pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
"""Where a whole run or an explanation meets such numbers, numpy says so on the way."""

ANY = st.none() | st.floats()


@given(value=ANY, low=ANY, high=ANY)
def test_an_estimate_is_told_in_json_as_it_is(
    value: float | None, low: float | None, high: float | None
) -> None:
    """Whatever was computed, what is stored is what was there, and no value has a reason."""
    reason = "Too few rows." if value is None else None
    estimate = Estimate(value=value, low=low, high=high, reason=reason)
    assert Estimate.model_validate_json(estimate.model_dump_json()) == estimate
    assert (estimate.value is None) == (estimate.reason is not None)
    assert (value == estimate.value) == (value is None or bool(np.isfinite(value)))


def test_r2_of_huge_answers_has_a_reason() -> None:
    """Errors whose squares overflow give no R\u00b2, and say why."""
    rows = np.arange(40)
    truth = Truth("r2", rows.astype(float), np.ones(40, dtype=bool))
    estimate = quality(truth, rows, Predictions(np.linspace(-1e300, 1e300, 40)))
    assert estimate.value is None
    assert "too large" in (estimate.reason or "")


def test_the_mean_residual_of_huge_errors_is_a_number() -> None:
    """A mean exists where the sum does not: that of 8e307 forty times over is itself."""
    frame = pd.DataFrame({"a": np.arange(400.0)})
    residual = np.where(np.arange(400) < 200, -8e307, 8e307)
    (trend, *_) = residual_trends(frame, frame["a"].to_numpy(), residual)
    assert [mean for _, mean in trend.means] == pytest.approx([-8e307] * 5 + [8e307] * 5)


def kept_report(
    folder: Path, workers: WorkerParent, model: LinearRegression, rows: pd.DataFrame
) -> TestReport:
    """Run every stage on a model and its rows, and return the report as the store gives it back."""
    from runner import pipeline_target

    store = Store.open(Settings(data_dir=folder))
    table = rows.to_csv(index=False).encode()
    request = RunRequest(
        model_sha256=store.save_bytes(pickle.dumps(model), kind="model", name="m.pkl"),
        model_name="m.pkl",
        sample_sha256=store.save_bytes(table, kind="sample", name="s.csv"),
        sample_name="s.csv",
        config=RunConfig(target="y", n_rows=100),
    )
    store.create_run(request)
    record = store.claim_run("test")
    assert record is not None
    test = pipeline_target(store.settings, workers)
    assert store.finish_run(test(record, store, lambda *_told: None))
    report = store.get_report(record.id)
    store.close()
    failed = {stage.stage for stage in report.stages if stage.status is Status.FAILED}
    assert failed <= {Stage.EXPLAIN}
    return report


@pytest.fixture
def rows() -> pd.DataFrame:
    """Two columns, the first of which is the answer."""
    drawn = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 2)), columns=["a", "b"])
    return drawn.assign(y=drawn["a"])


@numbers_overflow
@pytest.mark.slow  # three whole runs
@pytest.mark.parametrize("coefficients", [[1e160, 1.0], [1e300, 0.0], [1e308, -1e308]])
def test_a_regression_of_huge_answers_fails_and_is_kept(
    tmp_path: Path, workers: WorkerParent, rows: pd.DataFrame, coefficients: list[float]
) -> None:
    """Finite or not, absurd numbers are a failed test whose report the store gives back."""
    model = LinearRegression().fit(rows[["a", "b"]], rows["y"])
    model.coef_ = np.array(coefficients)
    report = kept_report(tmp_path, workers, model, rows)
    assert report.verdict.verdict is Verdict.FAIL


@numbers_overflow
@pytest.mark.slow  # a whole run
def test_a_column_of_huge_numbers_is_tested_without_its_spread(
    tmp_path: Path, workers: WorkerParent, rows: pd.DataFrame
) -> None:
    """A column whose standard deviation overflows is not drifted by it, and nothing breaks."""
    model = LinearRegression().fit(rows[["a", "b"]], rows["y"])
    report = kept_report(tmp_path, workers, model, rows.assign(a=rows["a"] * 1e307))
    assert [item.feature for item in report.drift.ranking] == ["b"]


@numbers_overflow
def test_questions_about_answers_that_are_no_numbers_are_answered(
    tmp_path: Path, workers: WorkerParent
) -> None:
    """Where the model gives NaN for a row, whoever asks why is told that, and asks on."""
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    model = LogisticRegression().fit(rows, np.arange(60) % 3)
    model.coef_ = np.array([[1e300, 1e300], [1e300, 1e300], [-1e300, -1e300]])
    store = Store.open(Settings(data_dir=tmp_path))
    run_id = stored_run(store, pickle.dumps(model), rows)
    session = ModelSession(store, run_id, workers)
    with pytest.raises(ModelError, match="not finite numbers"):
        session.ask(Question(run_id=run_id, rows=[{"a": 1e10, "b": 1.0}]))
    answers = session.ask(Question(run_id=run_id, rows=[{"a": 0.0, "b": 0.0}]))
    assert sum(answers.probabilities[0]) == pytest.approx(1)
    session.close()
    store.close()
