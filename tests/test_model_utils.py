"""A model in a file answers through its worker exactly as it would in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris, make_multilabel_classification
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier

import model_utils
from errors import (
    ModelCrashedError,
    ModelError,
    ModelLoadError,
    ModelProtocolError,
    ModelRaisedError,
    ModelTimeoutError,
)
from model_types import ModelFeature, ModelFileInfo, ModelInfo, Task
from model_utils import ModelHandle, open_model
from sandbox import Limits, WorkerParent
from tests.hostile_models import (
    exit_with_3,
    file_that_calls,
    on_big_input,
    regressor_that,
    segfault,
    spin,
)

IRIS, SPECIES = load_iris(return_X_y=True, as_frame=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
CANCER, BENIGN = load_breast_cancer(return_X_y=True)
MULTI_X, MULTI_Y = make_multilabel_classification(100, 5, n_classes=3, random_state=0)


def file_info(name: str = "model.joblib") -> ModelFileInfo:
    """Return what the inspection would say of an honest file."""
    return ModelFileInfo(name=name, size_bytes=1, sha256="0" * 64, container="joblib")


def opened(workers: WorkerParent, path: Path, **options: Any) -> ModelHandle:
    """Open a model file."""
    return open_model(path, file_info(path.name), workers=workers, **options)


def saved(estimator: Any, folder: Path) -> Path:
    """Write an estimator as a user would."""
    joblib.dump(estimator, folder / "model.joblib")
    return folder / "model.joblib"


def as_frame(rows: Any) -> pd.DataFrame:
    """Return a table named as a model without names calls its columns."""
    return rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows).add_prefix("x")


CASES = {
    "string classes": (RandomForestClassifier(5, random_state=0), IRIS, NAMES),
    "integer classes": (LogisticRegression(max_iter=5000), CANCER, BENIGN),
    "boolean classes": (KNeighborsClassifier(), CANCER, BENIGN == 1),
    "float classes": (HistGradientBoostingClassifier(max_iter=3), IRIS, SPECIES * 2.0),
    "no probabilities, binary": (SVC(), CANCER, BENIGN),
    "no probabilities, three classes": (RidgeClassifier(), IRIS, NAMES),
    "regression": (LinearRegression(), IRIS, SPECIES),
    "two numbers": (RandomForestRegressor(3, random_state=0), MULTI_X, MULTI_Y[:, :2] * 1.5),
    "multilabel": (RandomForestClassifier(3, random_state=0), MULTI_X, MULTI_Y),
    "multioutput": (
        MultiOutputClassifier(KNeighborsClassifier()),
        IRIS,
        np.column_stack([NAMES, NAMES]),
    ),
    "clusters": (KMeans(2, n_init=1, random_state=0), IRIS, None),
    "outliers": (IsolationForest(n_estimators=5, random_state=0), CANCER, None),
}


def expected_proba(estimator: Any, rows: Any) -> Any:
    """Return the probabilities as ``Predictions`` documents them."""
    proba = estimator.predict_proba(rows)
    return np.stack([p[:, 1] for p in proba], axis=1) if isinstance(proba, list) else proba


@pytest.mark.parametrize("case", CASES)
def test_answers_are_those_of_the_model(case: str, workers: WorkerParent, tmp_path: Path) -> None:
    """Predictions, probabilities and scores equal the estimator's own, for every kind of task."""
    template, rows, target = CASES[case]
    estimator = template.fit(rows, target)
    with opened(workers, saved(estimator, tmp_path)) as model:
        answer = model.predict(as_frame(rows))
    predicted = estimator.predict(rows)
    if predicted.dtype.kind == "f":
        np.testing.assert_allclose(answer.y_pred, predicted, rtol=1e-12)
    else:
        np.testing.assert_array_equal(answer.y_pred, predicted)
    if model.info.has_proba and model.info.task is not Task.MULTIOUTPUT:
        assert answer.y_proba is not None
        np.testing.assert_allclose(answer.y_proba, expected_proba(estimator, rows), rtol=1e-12)
    elif model.info.has_score:
        assert answer.y_score is not None
        np.testing.assert_allclose(answer.y_score, estimator.decision_function(rows), rtol=1e-9)
    assert not model.warnings


def test_text_columns_reach_a_pipeline(workers: WorkerParent, tmp_path: Path) -> None:
    """A pipeline over named mixed columns gets them in any order, by name."""
    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "colour": ["red", "blue", "red", "blue"]})
    columns = make_column_transformer(
        (StandardScaler(), ["size"]), (OneHotEncoder(handle_unknown="ignore"), ["colour"])
    )
    estimator = make_pipeline(columns, LogisticRegression()).fit(frame, [0, 1, 0, 1])
    with opened(workers, saved(estimator, tmp_path)) as model:
        shuffled = frame[["colour", "size"]]
        np.testing.assert_array_equal(
            model.predict(shuffled).y_proba, estimator.predict_proba(shuffled)
        )


@pytest.mark.parametrize("name", ["model.json", "model.ubj"])
def test_xgboost_files_are_loaded_by_content(
    workers: WorkerParent, tmp_path: Path, name: str
) -> None:
    """A model in xgboost's own formats predicts, whatever its file is called."""
    estimator = XGBClassifier(n_estimators=3).fit(IRIS, SPECIES)
    estimator.save_model(tmp_path / name)
    path = (tmp_path / name).rename(tmp_path / "upload")
    with opened(workers, path, policy="strict") as model:
        answer = model.predict(IRIS)
    assert answer.y_proba is not None
    np.testing.assert_allclose(answer.y_proba, estimator.predict_proba(IRIS), rtol=1e-6)


def test_lightgbm_text_is_loaded_by_content(workers: WorkerParent, tmp_path: Path) -> None:
    """A model in lightgbm's text format predicts; a damaged one ends its process only."""
    estimator = LGBMRegressor(n_estimators=3, verbose=-1).fit(IRIS.to_numpy(), SPECIES)
    text = estimator.booster_.model_to_string()
    (tmp_path / "good").write_text(text)
    (tmp_path / "cut").write_text(text[: len(text) // 2])
    with opened(workers, tmp_path / "good", policy="strict") as model:
        np.testing.assert_allclose(
            model.predict(as_frame(IRIS.to_numpy())).y_pred,
            np.asarray(estimator.predict(IRIS.to_numpy())),
        )
    with pytest.raises(ModelError):
        opened(workers, tmp_path / "cut", policy="strict")


def test_a_linear_model_comes_as_arrays(workers: WorkerParent, tmp_path: Path) -> None:
    """The arrays of a lowered model are the estimator's coefficients."""
    estimator = LinearRegression().fit(IRIS, SPECIES)
    with opened(workers, saved(estimator, tmp_path)) as model:
        lowered = model.lower()
    assert lowered is not None
    assert lowered.meta["kind"] == "linear"
    np.testing.assert_array_equal(lowered.arrays["coef"].ravel(), estimator.coef_)


def test_timing_returns_one_duration_per_call(workers: WorkerParent, tmp_path: Path) -> None:
    """Timed calls are as many as asked, positive, and come with the very first call's time."""
    path = saved(LinearRegression().fit(IRIS, SPECIES), tmp_path)
    with opened(workers, path) as model:
        timed = model.time_calls(IRIS, batch_size=32, max_calls=50, max_seconds=5, warmup_calls=3)
    assert len(timed.durations_ns) == len(timed.disturbed) == 50
    assert timed.durations_ns.min() > 0
    assert timed.cold_ns is not None
    assert timed.warmup_calls == 3


def test_timing_ends_in_time_and_repeats_few_rows(workers: WorkerParent, tmp_path: Path) -> None:
    """A batch larger than the table is filled by repeating rows; the time limit is kept."""
    path = saved(LinearRegression().fit(IRIS, SPECIES), tmp_path)
    with opened(workers, path) as model:
        timed = model.time_calls(IRIS[:2], batch_size=500, max_calls=10**6, max_seconds=0.1)
    assert 1 <= len(timed.durations_ns) < 10**6
    assert timed.durations_ns.sum() < 0.3e9


def test_transform_and_memory(workers: WorkerParent, tmp_path: Path) -> None:
    """The matrix before the final step is the pipeline's own; memory is told in bytes."""
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(IRIS, NAMES)
    with opened(workers, saved(estimator, tmp_path)) as model:
        np.testing.assert_array_equal(model.transform(IRIS), estimator[:-1].transform(IRIS))
        assert 10e6 < model.peak_memory_bytes() < 10e9


@pytest.mark.parametrize("misbehave", [segfault, exit_with_3])
def test_the_next_call_gets_a_new_worker(
    workers: WorkerParent, tmp_path: Path, misbehave: Any
) -> None:
    """One input that kills the model costs that call only."""
    path = regressor_that(tmp_path / "model", on_big_input(misbehave))
    with opened(workers, path, policy="custom") as model:
        for _ in range(2):
            with pytest.raises(ModelCrashedError):
                model.predict(pd.DataFrame({"x0": [1000.0]}))
            assert model.predict(pd.DataFrame({"x0": [1.0]})).y_pred.tolist() == [0.0]


def test_a_model_that_never_answers_is_replaced(workers: WorkerParent, tmp_path: Path) -> None:
    """A call over its time limit is told, and the next one works."""
    path = regressor_that(tmp_path / "model", on_big_input(spin))
    with opened(workers, path, policy="custom", limits=Limits(call_seconds=1)) as model:
        with pytest.raises(ModelTimeoutError, match="no answer within 1 s"):
            model.predict(pd.DataFrame({"x0": [1000.0]}))
        assert model.predict(pd.DataFrame({"x0": [1.0]})).y_pred.tolist() == [0.0]


def test_replacing_workers_ends(
    workers: WorkerParent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the allowed number of restarts the last error stays."""
    monkeypatch.setattr(model_utils, "MAX_RESTARTS", 1)
    path = regressor_that(tmp_path / "model", on_big_input(exit_with_3))
    big, small = pd.DataFrame({"x0": [1000.0]}), pd.DataFrame({"x0": [1.0]})
    with opened(workers, path, policy="custom") as model:
        for frame in (big, big, small):
            with pytest.raises(ModelCrashedError):
                model.predict(frame)


def test_a_crash_while_loading_is_told(workers: WorkerParent, tmp_path: Path) -> None:
    """Opening a file that kills its process raises that sentence."""
    path = file_that_calls(tmp_path / "model.pkl", segfault)
    with pytest.raises(ModelCrashedError, match=r"signal 11, segmentation fault\) while loading"):
        opened(workers, path, policy="custom")


def test_a_file_that_is_no_model_is_told(workers: WorkerParent, tmp_path: Path) -> None:
    """A file of something else is refused with what it holds."""
    with pytest.raises(ModelLoadError, match=r"model\.joblib could not be loaded.*DataFrame"):
        opened(workers, saved(IRIS, tmp_path))


def test_a_version_problem_shows_at_once(workers: WorkerParent, tmp_path: Path) -> None:
    """A file that loads but lacks an attribute of the newer library is a version problem."""
    estimator = RidgeClassifier().fit(IRIS, NAMES)
    del estimator.coef_
    with pytest.raises(ModelLoadError, match=r"loads but cannot predict under .*sklearn"):
        opened(workers, saved(estimator, tmp_path))


def test_warnings_of_loading_are_kept(workers: WorkerParent, tmp_path: Path) -> None:
    """What the library says about another version reaches the report as text."""
    state = LinearRegression().fit(IRIS, SPECIES)
    state.__class__.__getstate__, original = (
        lambda self: {**self.__dict__, "_sklearn_version": "1.3.0"},
        state.__class__.__getstate__,
    )
    try:
        path = saved(state, tmp_path)
    finally:
        LinearRegression.__getstate__ = original
    with opened(workers, path) as model:
        assert any("InconsistentVersionWarning" in text for text in model.warnings)
        assert any("1.3.0" in text for text in model.warnings)


def test_a_row_the_model_dislikes_is_only_a_warning(workers: WorkerParent, tmp_path: Path) -> None:
    """A made-up row that the model refuses does not make the file unusable."""

    def act(rows: Any) -> Any:
        message = "not this one"
        raise ValueError(message)

    with opened(workers, regressor_that(tmp_path / "model", act), policy="custom") as model:
        assert "not this one" in model.warnings[0]
        with pytest.raises(ModelRaisedError, match="not this one"):
            model.predict(pd.DataFrame({"x0": [1.0]}))


@pytest.mark.parametrize("answer", [np.zeros(5), np.zeros((1, 2)), np.zeros(0)])
def test_an_answer_of_another_shape_is_refused(
    workers: WorkerParent, tmp_path: Path, answer: Any
) -> None:
    """A model that answers with too many or too few numbers is not believed."""
    path = regressor_that(tmp_path / "model", lambda rows: answer)
    with pytest.raises(ModelProtocolError):
        opened(workers, path, policy="custom")


def test_a_label_outside_the_list_is_refused() -> None:
    """Codes that stand for no listed class are not turned into labels."""
    with pytest.raises(ModelProtocolError, match="a class that it did not list"):
        model_utils._labels(np.array([0, -1]), ["a", "b"])


def test_what_a_model_says_of_itself_does_not_unlock_memory() -> None:
    """However many classes a model claims to have, one answer stays within a gibibyte."""
    info = ModelInfo(
        task=Task.MULTICLASS, estimator="E", classes=list(range(10_000)), has_score=True
    )
    assert model_utils._promised_bytes(info, 10**6) == 1 << 30


def test_the_probe_row_is_plausible() -> None:
    """The made-up row uses what the model says of its columns."""
    features = [
        ModelFeature(name="a", mean=3.5),
        ModelFeature(name="b", kind="categorical", categories=["x", "y"]),
        ModelFeature(name="c", kind="text"),
        ModelFeature(name="d", kind="boolean"),
    ]
    row = model_utils.probe_row(ModelInfo(task=Task.BINARY, estimator="E", features=features))
    assert row is not None
    assert row.iloc[0].tolist() == [3.5, "x", "text", False]


def test_ten_million_cells_pass_quickly(workers: WorkerParent, tmp_path: Path) -> None:
    """A table of half a million rows and twenty columns is predicted within a few seconds."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((500_000, 20))).add_prefix("x")
    estimator = LinearRegression().fit(frame[:100], frame["x0"][:100])
    with opened(workers, saved(estimator, tmp_path)) as model:
        answer = model.predict(frame)
    np.testing.assert_allclose(answer.y_pred, estimator.predict(frame))
