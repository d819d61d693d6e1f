"""Efficiency, symmetry, dummy and column order, on every route."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMRegressor
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from xgboost import XGBRegressor

from explainability import explain
from explanation import Explanation
from tests.local_model import LocalModel
from tests.shapley_reference import FunctionModel

FEW: dict[str, Any] = {"n_estimators": 4, "random_state": 0}
QUIET: dict[str, Any] = {**FEW, "n_jobs": 1}
MODELS: dict[str, tuple[Any, str]] = {
    "ridge": (Ridge(), "linear"),
    "scaled ridge": (make_pipeline(StandardScaler(), Ridge()), "linear"),
    "forest": (RandomForestRegressor(**FEW), "tree"),
    "boosting": (GradientBoostingRegressor(**FEW), "tree"),
    "xgboost": (XGBRegressor(**QUIET), "tree"),
    "lightgbm": (LGBMRegressor(**QUIET, verbose=-1, min_child_samples=3), "tree"),
    "voting": (
        VotingRegressor([("a", Ridge()), ("b", ExtraTreesRegressor(**FEW))]),
        "tree",
    ),
    "svr": (SVR(), "enumerated"),
    "nearest": (KNeighborsRegressor(3), "enumerated"),
}
ALL = pytest.mark.parametrize(("estimator", "route"), MODELS.values(), ids=MODELS)


def table(seed: int = 0, n_rows: int = 60, n_columns: int = 4) -> pd.DataFrame:
    """Return columns of few distinct values."""
    cells = np.random.default_rng(seed).integers(-4, 5, (n_rows, n_columns)) / 2.0
    return pd.DataFrame(cells, columns=[f"c{at}" for at in range(n_columns)])


def target(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return a number from the first two columns, which play the same part."""
    cells = frame.to_numpy()
    return np.asarray(cells[:, 0] * cells[:, 1] + np.abs(cells[:, 0] + cells[:, 1]))


def explained(estimator: Any, frame: pd.DataFrame) -> Explanation:
    """Fit on a table and explain its first rows."""
    model = LocalModel(estimator.fit(frame, target(frame)))
    return explain(model, frame.iloc[:6], frame.iloc[20:45], seconds=30)


@ALL
@pytest.mark.filterwarnings("ignore")
def test_values_sum_to_the_answer(estimator: Any, route: str) -> None:
    """Efficiency: base and values add up to what the model answers for the row."""
    frame = table()
    found = explained(estimator, frame)
    answers = estimator.predict(frame.iloc[:6])
    total = found.base[0] + found.values[:, :, 0].sum(axis=1)
    assert found.method == route
    np.testing.assert_allclose(total, answers, rtol=1e-5, atol=1e-5 * np.abs(answers).max())


@ALL
@pytest.mark.filterwarnings("ignore")
def test_a_column_that_is_never_read_gets_nothing(estimator: Any, route: str) -> None:
    """Dummy: a column that the first step drops has no part, whatever it holds."""
    frame = table()
    kept = ColumnTransformer([("kept", "passthrough", ["c0", "c1", "c2"])])
    found = explained(make_pipeline(kept, estimator), frame)
    assert found.method == route
    assert np.abs(found.values[:, :3]).max() > 0
    assert np.abs(found.values[:, 3]).max() <= 1e-12


@ALL
@pytest.mark.filterwarnings("ignore")
def test_rows_and_background_can_stand_in_any_order(estimator: Any, route: str) -> None:
    """The value of a row depends neither on the other rows nor on the order of the background."""
    frame = table()
    model = LocalModel(estimator.fit(frame, target(frame)))
    first = explain(model, frame.iloc[:6], frame.iloc[20:45], seconds=30)
    turned = explain(model, frame.iloc[5:1:-1], frame.iloc[20:45][::-1], seconds=30)
    assert turned.method == route
    np.testing.assert_allclose(turned.values, first.values[5:1:-1], atol=1e-10)


EXACT = [estimator for estimator, route in MODELS.values() if route != "tree"]


@pytest.mark.parametrize("estimator", EXACT)
def test_renamed_and_reordered_columns_keep_their_values(estimator: Any) -> None:
    """A model fitted on turned columns has the same values under the same names."""
    frame = table()
    reversed_frame = frame[frame.columns[::-1]]
    model = LocalModel(estimator.fit(frame, target(frame)))
    first = explain(model, frame.iloc[:6], frame.iloc[20:45], seconds=30).to_frame()
    model = LocalModel(estimator.fit(reversed_frame, target(frame)))
    rows, background = reversed_frame.iloc[:6], reversed_frame.iloc[20:45]
    second = explain(model, rows, background, seconds=30).to_frame()
    pd.testing.assert_frame_equal(first, second[list(first.columns)], atol=1e-9)


@given(
    weights=st.lists(st.floats(-3, 3), min_size=3, max_size=5),
    exchanged=st.integers(0, 2),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_columns_that_can_be_exchanged_share_evenly(
    weights: list[float], exchanged: int, seed: int
) -> None:
    """Symmetry: two columns of equal part and equal cells have equal values in any function."""
    frame = table(seed, 14, len(weights))
    other = (exchanged + 1) % len(weights)
    frame.iloc[:, other] = frame.iloc[:, exchanged]
    even = np.array(weights)
    even[other] = even[exchanged]

    def function(cells: pd.DataFrame) -> NDArray[np.float64]:
        return np.asarray(np.tanh(cells.to_numpy() @ even) + np.exp(-(cells.to_numpy() @ even)))

    found = explain(FunctionModel(function), frame.iloc[:4], frame.iloc[4:], seconds=30)
    tolerance = 1e-10 * max(float(np.abs(found.predictions).max()), 1.0)
    np.testing.assert_allclose(
        found.values[:, exchanged], found.values[:, other], rtol=0, atol=tolerance
    )
    assert found.additivity_gap < 1e-9


@given(seed=st.integers(0, 99), n_columns=st.integers(14, 18))
@settings(max_examples=8, deadline=None)
def test_sampled_values_keep_the_axioms(seed: int, n_columns: int) -> None:
    """On the sampled route values add up, an unread column gets 0, equal parts differ by error."""
    frame = table(seed, 40, n_columns)
    frame["c1"] = frame["c0"]

    def function(cells: pd.DataFrame) -> NDArray[np.float64]:
        numbers = cells.to_numpy()
        return np.asarray(np.tanh(numbers[:, 0] + numbers[:, 1]) * numbers[:, 2] + numbers[:, 3])

    model = FunctionModel(function)
    found = explain(model, frame.iloc[:10], frame.iloc[10:], seconds=1, target=0.1, seed=seed)
    assert found.error is not None
    assert found.additivity_gap < 1e-9
    assert not found.values[:, 4:].any()
    difference = np.abs(found.values[:, 0] - found.values[:, 1])
    allowed = 5 * np.hypot(found.error[:, 0], found.error[:, 1])
    assert np.mean(difference <= allowed + 1e-9) > 0.9
