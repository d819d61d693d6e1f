"""Which environment answers, what is said where the wanted one cannot be had, and asking again."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import environments
from diagnosis_types import EnvironmentChoice, EnvironmentSpec, EnvironmentUse
from environment_store import BuiltEnvironment
from environments import Prepared
from errors import EnvironmentBuildError, NotFoundError
from model_types import Predictions
from open_stage import ModelSource, reopen_model
from pipeline import run_tests
from report_types import RunConfig, RunRequest, Stage, TestReport
from sandbox import Limits, WorkerParent
from settings import Settings
from versions_stage import differences
from worker_start import Program

TABLE = pd.DataFrame({"a": np.arange(60.0), "b": np.arange(60.0) % 7})
ANSWERS = (TABLE["b"] > 3).astype(int)
SHORT = [Stage.INSPECT, Stage.LOAD, Stage.SCHEMA, Stage.DATA, Stage.QUALITY, Stage.VERDICT]

Run = Callable[..., TestReport]


def recorded(version: str, model: object) -> bytes:
    """Return a pickle that says that another scikit-learn wrote it."""
    data = pickle.dumps(model, protocol=3)
    old, new = (b"X" + len(v).to_bytes(4, "little") + v.encode() for v in _versions(version))
    assert old in data
    return data.replace(old, new)


def _versions(version: str) -> tuple[str, str]:
    return sklearn.__version__, version


@pytest.fixture
def run(workers: WorkerParent, tmp_path: Path) -> Run:
    """Test a model file with a choice of environment."""

    def run(data: bytes, choice: EnvironmentChoice, *, may_build: bool = True) -> TestReport:
        path = tmp_path / "model.pkl"
        path.write_bytes(data)
        request = RunRequest(
            model_sha256="0",
            model_name="model.pkl",
            environment=choice,
            config=RunConfig(n_rows=50, stages=SHORT),
        )
        return run_tests(
            request,
            run_id="r",
            model_path=path,
            sample_path=None,
            workers=workers,
            settings=Settings(data_dir=tmp_path, environments=may_build),
            save_data=lambda _data, _name: "0",
        )

    return run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[EnvironmentSpec]:
    """Let our own interpreter and libraries stand for every environment; list what was wanted."""
    wanted: list[EnvironmentSpec] = []
    libraries = str(Path(sklearn.__file__).parents[1])
    python = str(Path(sys.executable).resolve())
    built = BuiltEnvironment("key", python, "3.11.0", [], 1, 1.0)

    def prepare(spec: EnvironmentSpec, *_others: Any) -> Prepared:
        wanted.append(spec)
        lock = os.open(tmp_path, os.O_RDONLY)
        return Prepared(built, Program(python, libraries), 0.5, lock)

    monkeypatch.setattr(environments, "prepare", prepare)
    return wanted


def tree() -> bytes:
    """Return a tree as scikit-learn 1.1.3 would have recorded it."""
    return recorded("1.1.3", DecisionTreeClassifier(max_depth=2).fit(TABLE, ANSWERS))


def linear() -> LogisticRegression:
    """Return a fitted linear model."""
    return LogisticRegression().fit(TABLE, ANSWERS)


def used(report: TestReport) -> EnvironmentUse:
    """Return the environment that answered."""
    assert report.model.environment is not None, report.model.reason
    return report.model.environment


def test_a_file_that_breaks_here_gets_its_own_versions(
    run: Run, asked: list[EnvironmentSpec]
) -> None:
    """Trees of an old version choose their environment; the report says which and why."""
    report = run(tree(), "auto")
    assert [spec.title for spec in asked] == ["scikit-learn 1.1.3"]
    assert (used(report).kind, used(report).key) == ("matching", "key")
    assert "decision trees of scikit-learn 1.1.3" in used(report).reason
    assert used(report).prepared_seconds == 0.5


@pytest.mark.slow
def test_a_file_that_may_only_differ_stays_here(run: Run, asked: list[EnvironmentSpec]) -> None:
    """What loads and predicts with the present versions needs no environment, unless asked for."""
    data = recorded("1.8.0", linear())
    assert used(run(data, "auto")).kind == "present"
    assert asked == []
    assert used(run(data, "matching")).kind == "matching"
    assert used(run(data, "present")).kind == "present"
    assert len(asked) == 1


@pytest.mark.slow
def test_what_fails_at_its_first_prediction_tries_its_own_versions(
    run: Run, asked: list[EnvironmentSpec]
) -> None:
    """A version trouble of the first prediction leads to the environment; both are told."""
    model = make_pipeline(StandardScaler(), linear()).fit(TABLE, ANSWERS)
    del model.steps[0][1].with_mean  # what a version that did not know it leaves out
    report = run(recorded("1.8.0", model), "auto")
    assert len(asked) == 1
    assert report.model.info is None
    warnings = " ".join(report.model.warnings)
    assert "With the libraries installed here it does not work" in warnings
    assert "In an environment with scikit-learn 1.8.0 it failed" in warnings


@pytest.mark.slow
def test_both_versions_are_compared_row_by_row(run: Run, asked: list[EnvironmentSpec]) -> None:
    """The same libraries under two names agree on every row."""
    told = run(recorded("1.8.0", linear()), "compare").model.versions
    assert told is not None
    assert (told.n_rows, told.n_different, told.largest_difference) == (50, 0, 0.0)
    assert len(asked) == 1


def test_differing_predictions_are_counted() -> None:
    """Rows, not cells, are counted; the largest difference is of probabilities where there are."""
    first = Predictions(np.array(["a", "b", "a"]), np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]]))
    second = Predictions(np.array(["a", "a", "a"]), np.array([[0.9, 0.1], [0.5, 0.5], [0.7, 0.3]]))
    told = differences(first, second)
    assert (told.n_rows, told.n_different) == (3, 1)
    assert told.largest_difference == pytest.approx(0.1)
    outputs = Predictions(np.array([[1.0, 2.0], [3.0, 4.0]]))
    moved = Predictions(np.array([[1.5, 2.5], [3.0, 4.0]]))
    assert differences(outputs, moved).n_different == 1


@pytest.mark.parametrize(
    ("choice", "may_build", "cause"),
    [("matching", False, "switched off"), ("matching", True, "no index"), ("auto", True, None)],
)
def test_where_none_can_be_had_the_present_versions_answer(
    choice: EnvironmentChoice,
    may_build: bool,
    cause: str | None,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A build that is not allowed or fails is a warning with its cause, and the run goes on."""

    def fail(*_arguments: object) -> Prepared:
        message = "there is no index"
        raise EnvironmentBuildError(message)

    monkeypatch.setattr(environments, "prepare", fail)
    report = run(recorded("1.8.0", linear()), choice, may_build=may_build)
    assert used(report).kind == "present"
    told = " ".join(report.model.warnings)
    assert cause is None or cause in told


@pytest.mark.slow
def test_a_removed_environment_is_told_when_asked_again(
    run: Run, asked: list[EnvironmentSpec], workers: WorkerParent, tmp_path: Path
) -> None:
    """A question after the run needs the environment of the run, and never takes another."""
    report = run(tree(), "auto")
    assert len(asked) == 1
    settings = Settings(data_dir=tmp_path)
    request = RunRequest(model_sha256="0", model_name="model.pkl")
    source = ModelSource(tmp_path / "model.pkl", request, workers, settings, lambda _sha256: None)
    with pytest.raises(NotFoundError, match="removed; run the test again"):
        reopen_model(source, report.model, Limits())
