"""Second opinions agree with scikit-learn's inspection, and say where methods disagree."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.inspection import partial_dependence
from sklearn.inspection import permutation_importance as sklearn_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from errors import ModelRaisedError
from explain_effects import effect_curves
from explain_known import KnownModel
from explain_opinion import Evidence, correlated_columns, correlated_groups, second_opinion
from explain_outputs import choose_view
from explain_permutation import permutation_importance, scorer_for
from explainability import explain_section
from model_types import Lowered, Predictions
from opinion_types import CorrelatedColumns, SecondOpinion
from schema_utils import Kind
from tests.local_model import LocalModel

IRIS, SPECIES = load_iris(return_X_y=True, as_frame=True)
SICK, PROGRESS = load_diabetes(return_X_y=True, as_frame=True)
NAMED = pd.Series(np.array(["setosa", "versicolor", "virginica"])[SPECIES])
CASES = {
    "classifier": (RandomForestClassifier(20, random_state=0), IRIS, NAMED),
    "regressor": (RandomForestRegressor(20, random_state=0), SICK, PROGRESS),
}


@pytest.mark.parametrize("case", CASES)
def test_permutation_importance_is_scikit_learns(case: str) -> None:
    """Means agree within three joint standard errors, the untouched score exactly."""
    template, rows, target = CASES[case]
    estimator = template.fit(rows, target)
    expected = sklearn_importance(estimator, rows, target, n_repeats=20, random_state=1)
    scorer, known = scorer_for(LocalModel(estimator), target)
    columns = list(range(rows.shape[1]))
    baseline, found = permutation_importance(
        LocalModel(estimator), rows, scorer, columns, n_repeats=20
    )
    assert known.all()
    assert baseline == pytest.approx(estimator.score(rows, target))
    for item in found:
        at = rows.columns.get_loc(item.feature)
        error = np.hypot(item.error, expected.importances_std[at] / np.sqrt(19))
        assert abs(item.importance - expected.importances_mean[at]) <= 3.5 * error + 1e-9


def test_unused_column_is_not_clear() -> None:
    """A column that the model cannot use has importance 0 and is marked as unclear."""
    rows = pd.DataFrame({"used": np.arange(50.0), "flat": np.ones(50)})
    model = LocalModel(LinearRegression().fit(rows, rows["used"]))
    scorer, _ = scorer_for(model, rows["used"])
    _, found = permutation_importance(model, rows, scorer, [0, 1])
    assert [(item.feature, item.clear) for item in found] == [("used", True), ("flat", False)]
    assert found[1].importance == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_partial_dependence_is_scikit_learns(case: str) -> None:
    """On the same grid and rows both give the same curve."""
    template, rows, target = CASES[case]
    model = LocalModel(template.fit(rows, target))
    view = choose_view(model.info, model.predict(rows))
    (curve,) = effect_curves(model, rows, [2], view)
    expected = partial_dependence(
        model.estimator, rows, [2], custom_values={2: np.array(curve.grid)}, method="brute"
    )
    np.testing.assert_allclose(curve.partial_dependence, expected["average"][0], atol=1e-9)


def test_local_effects_of_a_line_are_the_line() -> None:
    """Where a column adds up without interaction, ALE has its slope everywhere."""
    model = LocalModel(LinearRegression().fit(SICK, PROGRESS))
    view = choose_view(model.info, model.predict(SICK))
    (curve,) = effect_curves(model, SICK, [2], view)
    assert curve.ale is not None
    slopes = np.diff(curve.ale) / np.diff(curve.grid)
    np.testing.assert_allclose(slopes, model.estimator.coef_[2], rtol=1e-6)
    np.testing.assert_allclose(curve.ale, curve.partial_dependence, rtol=1e-6)


def test_categories_have_a_curve_by_label() -> None:
    """Each category gets the mean answer with all rows set to it."""
    rows = pd.DataFrame({"plan": ["a", "b"] * 20, "x": np.arange(40.0)})
    target = (rows["plan"] == "a") * 2.0
    columns = make_column_transformer((OneHotEncoder(), ["plan"]), remainder="passthrough")
    model = LocalModel(make_pipeline(columns, LinearRegression()).fit(rows, target))
    (curve,) = effect_curves(model, rows, [0], choose_view(model.info, model.predict(rows)))
    assert dict(zip(curve.labels, curve.partial_dependence, strict=True)) == pytest.approx(
        {"a": 2.0, "b": 0.0}, abs=1e-9
    )


def test_correlated_columns_are_found() -> None:
    """A monotone function of a column and a renamed category are named, nothing else."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=200), "noise": rng.normal(size=200)})
    rows["curve"] = np.exp(rows["x"])
    rows["town"] = rng.choice(["Ulm", "Bonn"], 200)
    rows["code"] = rows["town"].map({"Ulm": "89", "Bonn": "53"})
    pairs = correlated_columns(rows, [str(name) for name in rows.columns])
    assert {(pair.first, pair.second) for pair in pairs} == {("x", "curve"), ("town", "code")}
    assert [pair.strength for pair in pairs] == pytest.approx([1.0, 1.0])


def opinion_of(
    model: LocalModel, rows: pd.DataFrame, y_true: pd.Series | None = None, seconds: float = 3.0
) -> SecondOpinion:
    background = rows.iloc[:100]
    known = KnownModel(model)
    section = explain_section(known, rows, background)
    evidence = Evidence(
        rows,
        y_true,
        rows.iloc[section.row_numbers],
        background,
        {str(name): Kind.FLOAT for name in rows.columns},
        model.predict(background),
    )
    return second_opinion(known, section, evidence, seconds=seconds)


def test_copied_column_gets_a_warning() -> None:
    """A column that repeats another one is named with what that means."""
    rows = IRIS.assign(copy=IRIS["petal length (cm)"] * 2 + 1)
    model = LocalModel(RandomForestClassifier(20, random_state=0).fit(rows, NAMED))
    warnings = opinion_of(model, rows, NAMED).warnings
    about = next(text for text in warnings if "say nearly the same" in text)
    assert "copy" in about
    assert "petal length (cm)" in about


def test_pairs_are_told_as_groups() -> None:
    """Columns that pairs connect are one group, whatever the order of the pairs."""
    names = (("a", "b"), ("c", "d"), ("b", "c"), ("x", "y"))
    pairs = [
        CorrelatedColumns(first=first, second=second, strength=0.9, measure="Spearman's rho")
        for first, second in names
    ]
    assert [sorted(group) for group in correlated_groups(pairs)] == [list("abcd"), ["x", "y"]]


def test_column_that_helps_nothing_gets_a_warning() -> None:
    """A model that listens to noise is told from one that gains by it."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(300, 2)), columns=["signal", "noise"])
    target = pd.Series(rows["signal"] > 0)
    estimator = LogisticRegression().fit(rows, target)
    estimator.coef_ = np.array([[8.0, 1.2]])
    warnings = opinion_of(LocalModel(estimator), rows, pd.Series(rng.permutation(target))).warnings
    assert any(text.startswith("signal makes") for text in warnings)


def test_drifted_rows_change_the_importance() -> None:
    """A tree that looks at its second column only beyond a limit listens to it after the drift."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(400, 2)), columns=["gate", "beyond"])
    target = np.where(rows["gate"] > 1, 5 * rows["beyond"], rows["gate"])
    model = LocalModel(RandomForestRegressor(20, random_state=0).fit(rows, target))
    shifted = {item.feature: item for item in opinion_of(model, rows).shifted_importance}
    assert shifted["beyond"].shifted > shifted["beyond"].reference + 0.1


class Opaque(LocalModel):
    """A model without a copy."""

    def lower(self) -> Lowered | None:
        """Return nothing."""
        return None


@pytest.mark.parametrize("n_columns", [3, 10])
def test_drift_is_seen_through_predictions_too(n_columns: int) -> None:
    """Enumerated or sampled, the shares are those of the exact copy, within their error."""
    rows = SICK.iloc[:, :n_columns]
    estimator = RandomForestRegressor(10, max_depth=5, random_state=0).fit(rows, PROGRESS)
    exact, asked = (opinion_of(kind(estimator), rows, seconds=9.0) for kind in (LocalModel, Opaque))
    expected = {item.feature: item for item in exact.shifted_importance}
    assert len(asked.shifted_importance) == n_columns
    for item in asked.shifted_importance:
        allowed = 0.03 + 4 * (item.error or 0.0)
        assert abs(item.reference - expected[item.feature].reference) < allowed
        assert abs(item.shifted - expected[item.feature].shifted) < allowed


class Fragile(LocalModel):
    """A model that fails on cells it has not seen."""

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Predictions:
        """Answer, unless a cell is out of range."""
        if frame.to_numpy().max() > SICK.to_numpy().max():
            kind = "ValueError"
            raise ModelRaisedError(kind, "out of range")
        return super().predict(frame, proba=proba)


def test_a_failure_on_drifted_rows_is_told() -> None:
    """The reason stands where the chart would be."""
    opinion = opinion_of(Fragile(LinearRegression().fit(SICK, PROGRESS)), SICK)
    assert opinion.shifted_importance == []
    assert "out of range" in str(opinion.shift_reason)


def test_without_labels_the_reason_is_told() -> None:
    """Curves need no labels; shuffling does and says so."""
    opinion = opinion_of(LocalModel(LinearRegression().fit(SICK, PROGRESS)), SICK)
    assert opinion.permutation == []
    assert "upload a sample with the target column" in str(opinion.permutation_reason)
    assert len(opinion.curves) == 3


def test_slow_model_is_not_asked_much() -> None:
    """A model of 1,000 rows a second is neither shuffled nor drawn in a tenth of a second."""

    class Slow(LinearRegression):  # type: ignore[misc]
        def predict(self, X: pd.DataFrame) -> np.ndarray:
            time.sleep(len(X) / 1000)
            return np.asarray(super().predict(X))

    model = LocalModel(Slow().fit(SICK, PROGRESS))
    opinion = opinion_of(model, SICK, PROGRESS, seconds=0.1)
    assert "too slow" in str(opinion.permutation_reason)
    assert opinion.curves == []


def test_same_inputs_give_the_same_opinion() -> None:
    """Nothing differs between two calls."""
    model = LocalModel(RandomForestClassifier(10, random_state=0).fit(IRIS, NAMED))
    assert opinion_of(model, IRIS, NAMED) == opinion_of(model, IRIS, NAMED)
