"""The routes and the section: gate, positive class, time, failures and the comparison with shap."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVR

import explain_trees
from base_types import Status
from errors import DataError, ModelRaisedError, RunCancelledError
from explain_forest import TreeGame
from explainability import explain, explain_section
from explanation import Explanation
from model_types import Lowered
from tests.local_model import LocalModel
from tests.shapley_reference import FunctionModel, shapley_by_definition


def cancer(n_columns: int = 5) -> tuple[pd.DataFrame, Any]:
    """Return a few columns of the breast cancer data, with words as classes."""
    bunch = load_breast_cancer(as_frame=True)
    return bunch.data.iloc[:, :n_columns], np.where(bunch.target == 1, "benign", "malignant")


def fitted(estimator: Any, n_columns: int = 5) -> tuple[LocalModel, pd.DataFrame]:
    """Return a model on the breast cancer data and its table."""
    table, target = cancer(n_columns)
    return LocalModel(estimator.fit(table, target)), table


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(10, random_state=0)


class Tampered(LocalModel):
    """A model whose copy is wrong in the last leaf."""

    def lower(self) -> Lowered | None:
        """Return the right copy with one number changed."""
        copy = super().lower()
        assert copy is not None
        name = "value" if "value" in copy.arrays else "coef"
        changed = copy.arrays[name].copy()
        changed *= 1.001
        return replace(copy, arrays={**copy.arrays, name: changed})


@pytest.mark.parametrize("estimator", [forest(), LogisticRegression(max_iter=5000)])
def test_a_wrong_copy_is_never_used(estimator: Any) -> None:
    """A copy off by a thousandth is refused with a note and the model itself is asked."""
    table, target = cancer(4)
    model = Tampered(estimator.fit(table, target))
    found = explain(model, table.iloc[:3], table.iloc[50:60], seconds=20)
    expected = shapley_by_definition(
        lambda frame: estimator.predict_proba(frame)[:, 1], table.iloc[:3], table.iloc[50:60]
    )
    assert found.method == "enumerated"
    assert "does not answer as the model does" in found.notes[0]
    np.testing.assert_allclose(found.values, expected, atol=1e-9)


@pytest.mark.parametrize("estimator", [forest(), GradientBoostingClassifier(n_estimators=5)])
def test_the_other_class_has_the_opposite_values(estimator: Any) -> None:
    """Explaining the first class turns every value around and names that class."""
    model, table = fitted(estimator)
    rows, background = table.iloc[:5], table.iloc[50:90]
    usual = explain(model, rows, background)
    other = explain(model, rows, background, positive_class="benign")
    assert (usual.outputs, other.outputs) == (("malignant",), ("benign",))
    np.testing.assert_allclose(other.values, -usual.values)
    assert other.additivity_gap < 1e-9


def test_base_is_the_mean_output_of_the_background() -> None:
    """The base value is what the model answers on average for the background."""
    model, table = fitted(forest())
    found = explain(model, table.iloc[:5], table.iloc[50:120])
    expected = model.estimator.predict_proba(table.iloc[50:120])[:, 1].mean()
    assert found.base[0] == pytest.approx(expected)
    assert found.background_rows == 70


def test_a_large_background_is_drawn_evenly_over_the_outputs() -> None:
    """Of many rows a part is taken whose mean output is nearly that of all."""
    table, target = cancer(5)
    estimator = RandomForestClassifier(60, random_state=0).fit(table, target)
    many = pd.concat([table, table + 0.01], ignore_index=True)
    found = explain(LocalModel(estimator), table.iloc[:3], many)
    chances = estimator.predict_proba(many)[:, 1]
    assert 100 <= found.background_rows < len(many)
    plain_error = chances.std() / found.background_rows**0.5
    assert abs(found.base[0] - chances.mean()) < plain_error


def test_linear_models_get_an_even_background_too() -> None:
    """The mean of the drawn rows is far nearer that of all than a plain draw would be."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.lognormal(size=(9000, 3)), columns=list("abc"))
    target = table.to_numpy() @ np.array([3.0, -1.0, 0.5])
    model = LinearRegression().fit(table, target)
    found = explain(LocalModel(model), table.iloc[:3], table)
    assert (found.method, found.background_rows) == ("linear", 1000)
    plain_errors = target.std() / np.array([4000, 1000]) ** 0.5
    drawn = [explain(LocalModel(model), table.iloc[:3], table, seed=s).base[0] for s in range(8)]
    error = np.sqrt(np.mean((np.array(drawn) - target.mean()) ** 2))
    assert error < plain_errors.mean()


@pytest.mark.parametrize(
    "estimator", [LogisticRegression(max_iter=9000), GradientBoostingClassifier(n_estimators=5)]
)
def test_probabilities_are_explained_when_asked_for(estimator: Any) -> None:
    """Models that are exact in log-odds go to their predictions, and the note says why."""
    model, table = fitted(estimator, 4)
    rows, background = table.iloc[:3], table.iloc[50:60]
    found = explain(model, rows, background, seconds=20, space="probability")
    expected = shapley_by_definition(
        lambda frame: model.estimator.predict_proba(frame)[:, 1], rows, background
    )
    assert (found.space, found.method) == ("probability", "enumerated")
    assert "log-odds only" in found.notes[0]
    np.testing.assert_allclose(found.values, expected, atol=1e-9)


def test_forests_stay_exact_in_probability() -> None:
    """A copy that adds up probabilities is used as it is."""
    model, table = fitted(forest())
    found = explain(model, table.iloc[:3], table.iloc[50:60], space="probability")
    assert (found.space, found.method, found.notes) == ("probability", "tree", ())


def test_models_without_probabilities_keep_their_unit_and_say_so() -> None:
    """A regressor asked for probabilities is explained in its own unit."""
    table = cancer(4)[0]
    model = LocalModel(LinearRegression().fit(table, table.sum(axis=1)))
    found = explain(model, table.iloc[:3], table.iloc[50:60], space="probability")
    assert (found.space, found.method) == ("prediction", "linear")
    assert found.notes == ("The model answers no probabilities; its own unit is explained.",)


def test_linear_values_are_coefficient_times_deviation() -> None:
    """The closed form of Štrumbelj and Kononenko."""
    table = cancer()[0]
    estimator = LinearRegression().fit(table, table.sum(axis=1) ** 0.5)
    found = explain(LocalModel(estimator), table.iloc[:9], table.iloc[50:90])
    expected = estimator.coef_ * (table.iloc[:9] - table.iloc[50:90].mean())
    np.testing.assert_allclose(found.values[:, :, 0], expected, rtol=1e-9)


def symmetric(frame: pd.DataFrame) -> NDArray[np.float64]:
    """A function in which the first two columns play the same part."""
    cells = frame.to_numpy()
    return np.asarray(np.maximum(cells[:, 0], cells[:, 1]) * cells[:, 2])


def test_equal_parts_get_equal_values() -> None:
    """Symmetry: columns that can be exchanged share their joint effect evenly."""
    cells = np.random.default_rng(0).normal(size=(40, 4))
    cells[:, 1] = cells[:, 0]
    table = pd.DataFrame(cells, columns=list("abcd"))
    found = explain(FunctionModel(symmetric), table.iloc[:10], table.iloc[10:])
    np.testing.assert_allclose(found.values[:, 0], found.values[:, 1], atol=1e-12)
    assert np.abs(found.values[:, 3]).max() < 1e-12


@pytest.mark.parametrize("estimator", [SVR(), KNeighborsRegressor(3)])
def test_column_order_does_not_matter(estimator: Any) -> None:
    """A model fitted on reordered columns has the same values under the same names."""
    table = cancer(4)[0]
    target = table.iloc[:, 0] * table.iloc[:, 1]
    turned = table[table.columns[::-1]]
    first = explain(LocalModel(estimator.fit(table, target)), table[:4], table[30:50])
    second = explain(LocalModel(estimator.fit(turned, target)), turned[:4], turned[30:50])
    pd.testing.assert_frame_equal(first.to_frame(), second.to_frame()[table.columns])


def test_the_same_seed_gives_the_same_section() -> None:
    """Two runs agree in everything but the time they took."""
    model, table = fitted(forest())
    first, second = (explain_section(model, table, table, seed=3, max_rows=20) for _ in range(2))
    untimed = {"seconds_used": 0.0}
    assert first.model_copy(update=untimed) == second.model_copy(update=untimed)


def test_section_holds_drawn_rows_in_table_order() -> None:
    """At most ``max_rows`` rows, drawn over the whole table, with their numbers."""
    model, table = fitted(forest())
    section = explain_section(model, table, table, max_rows=30)
    assert section.status is Status.OK
    assert section.exact
    assert section.row_numbers == sorted(set(section.row_numbers))
    assert len(section.row_numbers) == 30
    assert section.row_numbers[-1] > 300
    first = table.iloc[section.row_numbers[0]]
    assert section.rows[0] == first.to_dict()


def test_section_values_sum_to_predictions() -> None:
    """Base and values of each stored row add up to the stored prediction."""
    model, table = fitted(forest())
    output = explain_section(model, table, table, max_rows=30).outputs[0]
    total = output.base_value + np.sum(output.values, axis=1)
    np.testing.assert_allclose(total, output.predictions, atol=1e-8)


def test_the_column_that_decides_comes_first() -> None:
    """A model of one column has it on top, with share 1 and the direction of its effect."""
    table = cancer()[0]
    estimator = LinearRegression().fit(table, -3 * table["mean area"])
    top = explain_section(LocalModel(estimator), table, table).outputs[0].importance[0]
    assert top.feature == "mean area"
    assert top.share == pytest.approx(1)
    assert top.direction == pytest.approx(-1)


def test_constant_columns_are_not_tried() -> None:
    """Where nothing varies every value is zero and the model is hardly asked."""
    table = pd.DataFrame({"a": [1.0] * 30, "b": ["x"] * 30})
    model = FunctionModel(lambda frame: np.ones(len(frame)))
    found = explain(model, table, table)
    assert not found.values.any()
    assert found.exact


NO_TREES = ("AttributeError", "no trees")
REFUSAL = ("ValueError", "not today")


class Broken(LocalModel):
    """A model that cannot be lowered and raises when asked."""

    def lower(self) -> Lowered | None:
        """Fail like a worker whose library lacks an attribute."""
        raise ModelRaisedError(*NO_TREES)

    def predict(self, frame: pd.DataFrame, *, proba: bool = True) -> Any:
        """Refuse everything."""
        raise ModelRaisedError(*REFUSAL)


def test_a_model_that_raises_fails_the_section_with_its_words() -> None:
    """The reason repeats what the model said."""
    table, target = cancer()
    section = explain_section(Broken(forest().fit(table, target)), table, table)
    assert section.status is Status.FAILED
    assert section.reason == "The model failed: ValueError: not today"


def test_a_model_too_slow_skips_the_section() -> None:
    """A model of twenty rows a second is not explained in half a second; the reason says so."""
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 15)))
    model = FunctionModel(lambda frame: frame.sum(axis=1), seconds_per_row=0.01)
    section = explain_section(model, table, table, seconds=0.5)
    assert section.status is Status.SKIPPED
    assert section.reason is not None
    assert "too slow" in section.reason


@pytest.mark.parametrize("columns", [4, 15])
def test_explanations_keep_to_the_time(columns: int) -> None:
    """Neither enumeration nor sampling takes much longer than allowed."""
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(300, columns)))
    model = FunctionModel(lambda frame: np.sin(frame).sum(axis=1), seconds_per_row=2e-5)
    section = explain_section(model, table, table, seconds=0.8)
    assert section.status is Status.OK
    assert model.rows * model.seconds_per_row < 1.2  # seconds in the model


def test_large_forests_are_explained_exactly_for_fewer_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the exact route does not fit, rows and background are given up before exactness."""
    quick = explain_trees.shapley_values

    def slow(game: TreeGame, *, on_chunk: Any) -> Any:
        for share in (0.25, 0.5, 0.75, 1.0):
            time.sleep(0.001 * len(game.rows))
            on_chunk(share)
        return quick(game)

    monkeypatch.setattr(explain_trees, "shapley_values", slow)
    model, table = fitted(forest())
    section = explain_section(model, table, table, seconds=0.4)
    assert section.method == "tree"
    assert 10 <= len(section.rows) < 100
    assert section.background_rows == 50
    (note,) = section.notes
    assert note.startswith(f"The time allowed {len(section.rows)} of 200 rows;")


def test_cancelling_ends_the_explanation() -> None:
    """Whatever the progress callback raises comes out unchanged."""

    def cancel(fraction: float, message: str) -> None:
        raise RunCancelledError(message)

    model, table = fitted(forest())
    with pytest.raises(RunCancelledError):
        explain_section(model, table, table, progress=cancel)


def test_progress_grows_to_one() -> None:
    """Fractions never fall and end at 1."""
    told: list[float] = []
    model, table = fitted(forest())
    explain_section(model, table, table, progress=lambda fraction, _: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_no_rows_and_lacking_columns_are_refused() -> None:
    """The message names what is missing."""
    model, table = fitted(forest())
    with pytest.raises(DataError, match="0 rows"):
        explain(model, table.iloc[:0], table)
    with pytest.raises(DataError, match="mean area"):
        explain(model, table, table.drop(columns="mean area"))


@pytest.fixture(scope="module")
def reference() -> tuple[Explanation, RandomForestClassifier, pd.DataFrame]:
    """A forest on eight columns, explained by us."""
    table, target = cancer(8)
    estimator = RandomForestClassifier(30, max_depth=6, random_state=0).fit(
        table.astype(np.float32), target
    )
    rows = table.astype(np.float32)
    return explain(LocalModel(estimator), rows.iloc[:40], rows.iloc[100:180]), estimator, rows


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_forest_agrees_with_shap(
    reference: tuple[Explanation, RandomForestClassifier, pd.DataFrame],
) -> None:
    """The interventional values of shap's tree explainer, and an explanation it can plot."""
    shap = pytest.importorskip("shap")
    ours, estimator, table = reference
    explainer = shap.TreeExplainer(estimator, table.iloc[100:180])
    expected = explainer.shap_values(table.iloc[:40], check_additivity=False)[:, :, 1]
    np.testing.assert_allclose(ours.values[:, :, 0], expected, atol=1e-6)
    exported: Any = ours.to_shap()
    assert exported.values.shape == (40, 8)
    assert exported.feature_names == list(table.columns)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_logistic_regression_agrees_with_shap() -> None:
    """The values of shap's linear explainer against independent columns."""
    shap = pytest.importorskip("shap")
    table, target = cancer(8)
    estimator = LogisticRegression(max_iter=9000).fit(table, target)
    masker = shap.maskers.Independent(table.iloc[100:180], max_samples=80)
    expected = shap.LinearExplainer(estimator, masker).shap_values(table.iloc[:40])
    ours = explain(LocalModel(estimator), table.iloc[:40], table.iloc[100:180])
    np.testing.assert_allclose(ours.values[:, :, 0], expected, atol=1e-6)
