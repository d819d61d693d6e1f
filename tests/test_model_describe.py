"""What a fitted model says of itself agrees with how it was made."""

from __future__ import annotations

import doctest
import json
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import RFE, SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier

import model_columns
import model_describe
import model_facts
from model_describe import NotAModelError, describe, find_model
from model_types import ModelInfo, Task
from tests.local_model import LocalModel

X, y = load_iris(return_X_y=True, as_frame=True)
binary = (y > 0).astype(int)
labels = np.column_stack([y == 0, y == 1]).astype(int)
FRAME = pd.DataFrame(
    {
        "age": np.round(X.iloc[:, 0] * 10).astype(int),
        "income": X.iloc[:, 1] * 1000,
        "city": np.where(X.iloc[:, 2] > 4, "Oslo", "Rome"),
        "note": np.where(X.iloc[:, 3] > 1, "late but fine", "all good today"),
    }
)


def info_of(estimator: Any) -> ModelInfo:
    """Return the description, checked against its type and as JSON."""
    described = describe(find_model(estimator)[0])
    return ModelInfo.model_validate(json.loads(json.dumps(described)))


def column(info: ModelInfo, fact: str) -> np.ndarray[Any, Any]:
    """Return one fact of every feature, NaN where it is not known."""
    return np.array([getattr(told, fact) for told in info.features], dtype=float)


def feature(info: ModelInfo, name: str) -> dict[str, Any]:
    return next(f for f in info.features if f.name == name).model_dump(exclude_none=True)


TASKS = [
    (LogisticRegression(max_iter=1000), binary, Task.BINARY),
    (LogisticRegression(max_iter=1000), y, Task.MULTICLASS),
    (LogisticRegression(max_iter=1000), y.map(str), Task.MULTICLASS),
    (RandomForestClassifier(3), labels, Task.MULTILABEL),
    (KNeighborsClassifier(), labels, Task.MULTILABEL),
    (MLPClassifier(3, max_iter=2000), labels, Task.MULTILABEL),
    (RidgeClassifier(), labels, Task.MULTILABEL),
    (MultiOutputClassifier(GaussianNB()), labels, Task.MULTILABEL),
    (DecisionTreeClassifier(), np.column_stack([y, y + 1]), Task.MULTIOUTPUT),
    (LinearRegression(), y, Task.REGRESSION),
    (LinearRegression(), labels, Task.REGRESSION),
    (RandomForestRegressor(3), labels, Task.REGRESSION),
    (KNeighborsRegressor(), labels, Task.REGRESSION),
    (MultiOutputRegressor(LinearRegression()), labels, Task.REGRESSION),
    (TransformedTargetRegressor(LinearRegression()), y, Task.REGRESSION),
    (xgboost.XGBRegressor(n_estimators=2), labels, Task.REGRESSION),
    (lightgbm.LGBMRegressor(n_estimators=2, verbose=-1), y, Task.REGRESSION),
    (KMeans(2, n_init=1), None, Task.CLUSTERING),
    (GaussianMixture(2), None, Task.CLUSTERING),
    (IsolationForest(n_estimators=3), None, Task.OUTLIER),
    (OneClassSVM(), None, Task.OUTLIER),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("model", "target", "task"), TASKS)
def test_the_task_agrees_with_the_predictions(model: Any, target: Any, task: Task) -> None:
    """Task, classes and number of outputs are those of what the model answers."""
    model.fit(X, target)
    info = info_of(model)
    y_pred = np.asarray(model.predict(X))
    assert info.task is task
    assert info.n_outputs == (y_pred.shape[1] if y_pred.ndim == 2 else 1)
    if task.is_classification:
        assert info.classes == list(model.classes_)
    if task in (Task.MULTILABEL, Task.MULTIOUTPUT):
        assert info.output_classes == [np.unique(one).tolist() for one in target.T]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (SVC(), (False, True)),
        (GaussianNB(), (True, False)),
        (LogisticRegression(max_iter=1000), (True, True)),
        (VotingClassifier([("a", GaussianNB())]), (False, False)),
        (make_pipeline(StandardScaler(), SVC()), (False, True)),
        (LinearRegression(), (False, False)),
    ],
)
def test_probabilities_are_claimed_only_where_they_work(model: Any, expected: Any) -> None:
    """`has_proba` and `has_score` are true exactly where the calls succeed."""
    info = info_of(model.fit(X, y))
    assert (info.has_proba, info.has_score) == expected


def wrapped() -> list[Any]:
    """Return a scaler and a model behind every kind of wrapper."""
    inner = make_pipeline(StandardScaler(), LogisticRegression())
    return [
        inner,
        Pipeline([("outer", inner)]),
        GridSearchCV(inner, {"logisticregression__C": [1.0]}, cv=2),
        CalibratedClassifierCV(inner, cv=2, ensemble=False),
        TunedThresholdClassifierCV(inner, cv=2),
        VotingClassifier([("a", inner)]),
        StackingClassifier([("a", inner)], cv=2),
    ]


@pytest.mark.parametrize("model", wrapped(), ids=lambda model: type(model).__name__)
def test_scalers_are_found_through_wrappers(model: Any) -> None:
    """Names, mean and standard deviation of the raw columns are those of the training data."""
    info = info_of(model.fit(X, binary))
    assert [f.name for f in info.features] == list(X.columns)
    assert (info.feature_names_known, info.wants_frame, info.input_form) == (True, True, "frame")
    np.testing.assert_allclose(column(info, "mean"), X.mean(), rtol=1e-9)
    np.testing.assert_allclose(column(info, "std"), X.std(ddof=0), rtol=1e-9)


@pytest.mark.parametrize(
    "scaler",
    [
        MinMaxScaler(),
        QuantileTransformer(n_quantiles=50),
        SplineTransformer(),
        KBinsDiscretizer(encode="ordinal", quantile_method="averaged_inverted_cdf"),
    ],
    ids=lambda scaler: type(scaler).__name__,
)
def test_ranges_are_those_of_the_training_data(scaler: Any) -> None:
    """Transformers that keep the range tell it for the raw columns."""
    info = info_of(make_pipeline(SimpleImputer(), scaler, GaussianNB()).fit(X, y))
    np.testing.assert_allclose(column(info, "minimum"), X.min())
    np.testing.assert_allclose(column(info, "maximum"), X.max())


@pytest.mark.parametrize("model", [KNeighborsClassifier(), GaussianNB()])
@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), RobustScaler()])
def test_facts_behind_scalers_are_in_raw_units(scaler: Any, model: Any) -> None:
    """What a predictor learnt of scaled columns is translated back."""
    info = info_of(make_pipeline(scaler, model).fit(X, y))
    if isinstance(model, KNeighborsClassifier):
        np.testing.assert_allclose(column(info, "minimum"), X.min(), atol=1e-9)
        np.testing.assert_allclose(column(info, "maximum"), X.max(), atol=1e-9)
    elif not isinstance(scaler, RobustScaler):  # which tells medians first
        np.testing.assert_allclose(column(info, "mean"), X.mean(), atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(20, random_state=0),
        HistGradientBoostingClassifier(max_iter=5),
        BaggingClassifier(n_estimators=30, max_features=0.5, random_state=0),
        xgboost.XGBClassifier(n_estimators=20),
        lightgbm.LGBMClassifier(n_estimators=5, verbose=-1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_trees_tell_a_range_and_integers(model: Any) -> None:
    """Split points lie inside the data, so the told range covers most of it."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"count": rng.integers(0, 30, 600), "size": rng.normal(5, 2, 600)})
    target = (data["count"] % 3 == 0) ^ (data["size"] * 2 % 2 > 1)
    info = info_of(model.fit(data, target))
    for told in info.features:
        assert told.minimum is not None
        assert told.maximum is not None
        inside = data[told.name].between(told.minimum, told.maximum).mean()
        assert inside > 0.9
    if not isinstance(model, lightgbm.LGBMClassifier):  # its header does not tell
        assert feature(info, "count")["kind"] == "integer"
    assert feature(info, "size")["kind"] == "float"


SELECTIONS = {
    "names": (["age", "income"], ["city"], "note"),
    "positions": ([0, 1], [2], 3),
    "negative": ([0, 1], [-2], -1),
    "slice of names": (slice("age", "income"), slice("city", "city"), "note"),
    "slice of positions": (slice(0, 2), slice(2, 3), 3),
    "mask": ([True, True, False, False], [False, False, True, False], 3),
    "selector": (make_column_selector(dtype_include="number"), make_column_selector("city"), 3),
}


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder(), TargetEncoder(cv=2)])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_column_transformers_are_followed(selection: str, encoder: Any) -> None:
    """Scaled, encoded and text columns are told by their raw names, however they were chosen."""
    numbers, city, note = SELECTIONS[selection]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        (make_pipeline(encoder), city),
        (TfidfVectorizer(), note),
    )
    info = info_of(make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(FRAME, binary))
    assert feature(info, "income")["mean"] == pytest.approx(FRAME["income"].mean())
    assert feature(info, "city")["categories"] == ["Oslo", "Rome"]
    assert feature(info, "city")["kind"] == "categorical"
    assert feature(info, "note")["kind"] == "text"
    assert {"late", "fine", "today"} <= set(feature(info, "note")["categories"])


def test_passed_through_columns_get_the_split_points() -> None:
    """Behind an encoder a forest's split points still belong to the right raw columns."""
    columns = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    data = FRAME.drop(columns="note")
    info = info_of(make_pipeline(columns, RandomForestClassifier(20)).fit(data, y))
    assert 40 <= feature(info, "age")["minimum"] < feature(info, "age")["maximum"] <= 80
    assert 1500 <= feature(info, "income")["minimum"] < feature(info, "income")["maximum"] <= 5000


@pytest.mark.parametrize(
    "selector",
    [SelectKBest(k=2), RFE(LogisticRegression(max_iter=1000), n_features_to_select=2)],
)
def test_selected_columns_keep_their_names(selector: Any) -> None:
    """A selector in front does not shift what later steps tell."""
    model = make_pipeline(selector, MinMaxScaler(), GaussianNB()).fit(X, y)
    info = info_of(model)
    for told, kept in zip(info.features, model[0].get_support(), strict=True):
        assert (told.minimum == X[told.name].min()) if kept else (told.minimum is None)


@pytest.mark.parametrize(
    "model",
    [
        xgboost.XGBClassifier(n_estimators=3, enable_categorical=True),
        lightgbm.LGBMClassifier(n_estimators=3, verbose=-1),
        HistGradientBoostingClassifier(max_iter=3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_category_columns_of_boosters_are_told_and_accepted_as_text(model: Any) -> None:
    """Categories are told, and plain text columns predict like category columns."""
    data = FRAME[["age", "city"]].astype({"city": "category"})
    model.fit(data, y)
    local = LocalModel(model)
    assert feature(local.info, "city")["categories"] == ["Oslo", "Rome"]
    text = data.astype({"city": "str"})
    np.testing.assert_array_equal(local.predict(text).y_pred, model.predict(data))


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("target", [binary, y, X.iloc[:, 0]], ids=["binary", "classes", "numbers"])
def test_bare_boosters_answer_like_their_estimators(library: str, target: Any) -> None:
    """A bare booster becomes a classifier or regressor by its objective."""
    kind = "Regressor" if target.name == X.columns[0] else "Classifier"
    if library == "xgboost":
        model = getattr(xgboost, f"XGB{kind}")(n_estimators=3).fit(X, target)
        local = LocalModel(model.get_booster())
    else:
        model = getattr(lightgbm, f"LGBM{kind}")(n_estimators=3, verbose=-1).fit(X, target)
        local = LocalModel(model.booster_)
    answer = local.predict(X)
    np.testing.assert_allclose(answer.y_pred, model.predict(X), rtol=1e-6)
    if answer.y_proba is not None:
        np.testing.assert_allclose(answer.y_proba, model.predict_proba(X), rtol=1e-6)
    assert local.info.has_proba == (kind == "Classifier")
    assert local.info.final_estimator == "Booster"


def test_text_models_take_one_column_of_text() -> None:
    """A pipeline that starts with a vectoriser has one text feature and its common words."""
    words = ["bad bad day", "good day", "so good"]
    local = LocalModel(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(words, [0, 1, 1]))
    assert [f.name for f in local.info.features] == ["text"]
    assert set(local.info.features[0].categories or []) == {"bad", "day", "good", "so"}
    assert (
        local.predict(pd.DataFrame({"text": words})).y_pred.tolist()
        == local.estimator.predict(words).tolist()
    )


def test_record_models_take_their_keys_as_columns() -> None:
    """A DictVectorizer's keys are columns; those with text values are categorical."""
    rows = [{"a": 1.0, "b": "u"}, {"a": 2.0, "b": "v"}]
    local = LocalModel(make_pipeline(DictVectorizer(), LogisticRegression()).fit(rows, [0, 1]))
    assert {f.name: f.categories for f in local.info.features} == {"a": None, "b": ["u", "v"]}
    expected = local.estimator.predict(rows)
    assert local.predict(pd.DataFrame(rows)).y_pred.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (StandardScaler(), "transforms data but does not predict"),
        (pd.DataFrame({"a": [1]}), "DataFrame of 1×1"),
        (np.zeros((2, 3)), "ndarray of 2×3"),
        (LogisticRegression, "class LogisticRegression"),
        (LogisticRegression(), "never fitted"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "never fitted"),
        (len, "function len"),
        ({"a": 1}, "a \\(int\\)"),
        (3.5, "a float"),
        (LocalOutlierFactor().fit(X), "novelty=True"),
        (GridSearchCV(GaussianNB(), {}, refit=False, cv=2).fit(X, y), "refit=False"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_predict_is_refused_in_words(held: Any, words: str) -> None:
    """Each thing that is no model gets a sentence of its own."""
    with pytest.raises(NotAModelError, match=words):
        find_model(held)


@pytest.mark.parametrize("bundle", [dict, list, tuple])
def test_the_model_in_a_bundle_is_found(bundle: Any) -> None:
    """Of several members the one that predicts is taken, behind the other, and told."""
    model = GaussianNB().fit(X, y)
    held = {"scaler": StandardScaler().fit(X), "model": model}
    found, notes = find_model(held if bundle is dict else bundle(held.values()))
    assert found.model is model
    assert "StandardScaler" in notes[0]


def test_positional_models_get_made_up_names() -> None:
    """A model fitted on an array has columns x0, x1 … and takes a matrix."""
    info = info_of(GaussianNB().fit(X.to_numpy(), y))
    assert [f.name for f in info.features] == ["x0", "x1", "x2", "x3"]
    assert (info.feature_names_known, info.input_form) == (False, "matrix")


def test_steps_and_parameters_are_short_text() -> None:
    """Steps come in order, parameters as text of at most 120 characters."""
    last = LogisticRegression(class_weight=dict.fromkeys(range(99), 1))
    model = make_pipeline(StandardScaler(), last)
    info = info_of(model.fit(X, y))
    assert [step.estimator for step in info.steps] == ["StandardScaler", "LogisticRegression"]
    assert len(info.steps[1].parameters["class_weight"]) == 120
    assert info.versions["numpy"] == np.__version__


@pytest.mark.parametrize("module", [model_describe, model_columns, model_facts])
def test_examples_in_docstrings_hold(module: Any) -> None:
    """The examples say what happens."""
    assert doctest.testmod(module).failed == 0
