"""Unwrapping, the matrix before the final estimator, and what is not lowered."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import explain_forest
import lowering_categories
import model_lowering
from model_types import Lowered

ROOT = Path(model_lowering.__file__).parent
PARTS = ["model_lowering", *sorted(path.stem for path in ROOT.glob("lowering_*.py"))]
CELLS = np.random.default_rng(0).normal(size=(60, 3))
TARGET = CELLS[:, 0] * CELLS[:, 1]
LABELS = TARGET > 0


def test_wrappers_and_nested_pipelines_are_looked_through() -> None:
    """A threshold over a search over a pipeline in a pipeline ends at the forest."""
    inner = make_pipeline(StandardScaler(), RandomForestClassifier(2))
    outer = make_pipeline(StandardScaler(), "passthrough", inner)
    search = GridSearchCV(outer, {"pipeline__randomforestclassifier__max_depth": [2]}, cv=2)
    model = FixedThresholdClassifier(search).fit(CELLS, LABELS)
    transformers, final = model_lowering.unwrap(model)
    assert [type(step).__name__ for step in transformers] == ["StandardScaler", "StandardScaler"]
    assert type(final).__name__ == "RandomForestClassifier"


def test_matrix_is_what_the_final_estimator_gets() -> None:
    """Sparse results become dense, and the rest of the pipeline accepts the matrix."""
    frame = pd.DataFrame({"word": ["a", "b", "a"], "number": [1, 2, 3]})
    encode = ColumnTransformer(
        [("word", OneHotEncoder(), ["word"]), ("number", StandardScaler(), ["number"])],
        sparse_threshold=1.0,
    )
    model = make_pipeline(encode, LinearRegression()).fit(frame, [1.0, 2.0, 3.0])
    matrix = model_lowering.transform(model, frame)
    assert (matrix.dtype, matrix.shape) == (np.float64, (3, 3))
    np.testing.assert_allclose(model[-1].predict(matrix), model.predict(frame))


def test_text_reaches_a_vectorizer() -> None:
    """A list of texts goes through the steps as it is."""
    texts = ["good good day", "bad day", "good night"]
    model = make_pipeline(CountVectorizer(), Ridge()).fit(texts, [1.0, 0.0, 1.0])
    assert model_lowering.transform(model, texts).tolist()[0] == [0, 1, 2, 0]


def test_without_steps_the_matrix_is_the_input() -> None:
    """Missing values of any kind are NaN."""
    frame = pd.DataFrame({"a": [1, 2], "b": pd.array([True, None], dtype="boolean")})
    matrix = model_lowering.transform(Ridge(), frame)
    np.testing.assert_array_equal(matrix, [[1, 1], [2, np.nan]])


def test_too_large_a_matrix_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Densifying must not fill the memory."""
    monkeypatch.setattr(model_lowering, "MAX_CELLS", 5)
    with pytest.raises(ValueError, match="60 x 3"):
        model_lowering.transform(Ridge(), CELLS)


def test_words_are_no_numbers() -> None:
    """A table of words does not become a matrix silently."""
    with pytest.raises(ValueError, match="could not convert"):
        model_lowering.transform(Ridge(), pd.DataFrame({"a": ["x", "y"]}))


WORDS = pd.DataFrame({"a": pd.Categorical(["x", "y", "z"] * 40), "b": np.arange(120.0)})
LGB: dict[str, Any] = {"n_estimators": 3, "verbose": -1, "n_jobs": 1}
NOT_LOWERED: dict[str, tuple[Any, Any]] = {
    "bayes": (GaussianNB(), LABELS),
    "boosting from another model": (GradientBoostingRegressor(init=LinearRegression()), TARGET),
    "linear leaves": (lightgbm.LGBMRegressor(**LGB, linear_tree=True), TARGET),
    "zeros as missing": (lightgbm.LGBMRegressor(**LGB, zero_as_missing=True), TARGET),
    "zero as missing": (xgboost.XGBRegressor(n_estimators=3, missing=0.0), TARGET),
    "vector leaves": (
        xgboost.XGBRegressor(n_estimators=3, multi_strategy="multi_output_tree"),
        np.column_stack([TARGET, TARGET**2]),
    ),
}


@pytest.mark.parametrize("name", NOT_LOWERED)
@pytest.mark.filterwarnings("ignore")
def test_unknown_forms_are_not_lowered(name: str) -> None:
    """What the arrays cannot say gives None instead of a wrong copy."""
    estimator, target = NOT_LOWERED[name]
    assert model_lowering.lower(estimator.fit(CELLS, target)) is None


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingRegressor(max_iter=3, categorical_features="from_dtype"),
        lightgbm.LGBMRegressor(**LGB, min_child_samples=2, min_data_per_group=1, cat_smooth=0),
        xgboost.XGBRegressor(n_estimators=3, enable_categorical=True),
    ],
    ids=["histogram", "lightgbm", "xgboost"],
)
@pytest.mark.filterwarnings("ignore")
def test_splits_on_categories_become_sets(estimator: Any) -> None:
    """Trees over the matrix of codes and the sets of codes answer as the model does."""
    estimator.fit(WORDS, (WORDS["a"] == "y") * 5.0 + WORDS["b"] / 100)
    lowered = model_lowering.lower(estimator)
    assert lowered is not None
    assert len(lowered[1]["set_left"])
    trees = explain_forest.from_lowered(Lowered(*lowered))
    answers = explain_forest.evaluate(trees, model_lowering.transform(estimator, WORDS))
    np.testing.assert_allclose(answers[:, 0], estimator.predict(WORDS), rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_sums_of_trees_on_categories_are_not_lowered() -> None:
    """Sets belong to one model's matrix, so an ensemble of such models is not a sum of arrays."""
    member = HistGradientBoostingRegressor(max_iter=3, categorical_features=[0])
    codes = np.column_stack([np.arange(60) % 4, CELLS[:, 1:]])
    model = VotingRegressor([("a", member), ("b", Ridge())]).fit(codes, codes[:, 0] == 2)
    assert model_lowering.lower(model) is None


@pytest.mark.filterwarnings("ignore")
def test_many_categories_need_too_large_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit there are no arrays."""
    model = lightgbm.LGBMRegressor(**LGB, min_child_samples=2, min_data_per_group=1, cat_smooth=0)
    model.fit(WORDS, (WORDS["a"] == "y") * 5.0)
    monkeypatch.setattr(lowering_categories, "MAX_SET_CELLS", 3)
    assert model_lowering.lower(model) is None


@pytest.mark.filterwarnings("ignore")
def test_early_stopped_boosters_end_at_their_best_iteration() -> None:
    """Trees grown after the best iteration take no part in the prediction."""
    model = xgboost.XGBRegressor(n_estimators=40, early_stopping_rounds=3, learning_rate=0.9)
    model.fit(CELLS[:30], TARGET[:30], eval_set=[(CELLS[30:], -TARGET[30:])], verbose=False)
    lowered = model_lowering.lower(model)
    assert lowered is not None
    assert len(lowered[1]["root"]) == model.best_iteration + 1
    assert model.get_booster().num_boosted_rounds() > model.best_iteration + 1


@pytest.mark.parametrize("name", PARTS)
def test_worker_modules_need_numpy_only(name: str) -> None:
    """They run under old interpreters next to the model: Python 3.7 syntax, no other imports."""
    source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 7))
    known = {"__future__", "collections", "json", "math", "numpy", "struct", "typing", "warnings"}
    own = {*PARTS, "model_width"}
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {module.split(".")[0] for module in imported} <= known | own
