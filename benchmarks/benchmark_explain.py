"""Explanations: ours against shap called in the obvious way, same models, rows and background.

Run ``python benchmarks/benchmark_explain.py [rows]``. Times are CPU seconds in this process, ours
end to end (reading the model, checking the copy, explaining), shap's after a first call that
compiles it. The last column is the largest difference of the values in units of their scale,
where both explain the same output; shap's permutation values are themselves estimates, and its
tree explainer holds thresholds in single precision, so that cells near them may go astray.

A second table compares the sampled route with shap's permutation explainer at the same number of
model calls, both against the exact values: mean error over mean |value|.
"""
# ruff: noqa: ANN401 - models of any library

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import shap
import xgboost
from catboost import CatBoostClassifier
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import explain_predictions
import explain_sampling
from explainability import explain
from tests.local_model import LocalModel
from tests.shapley_reference import FunctionModel

N_COLUMNS = 20
N_TRAINING = 3000
N_BACKGROUND = 100
SECONDS = 60.0
TARGET = 0.1
SAMPLED_COLUMNS = 10
SAMPLED_BACKGROUND = 50
SAMPLED_ROWS = 12
SAMPLED_SEEDS = 5
MEASURING = 2200  # rows that the sampled route asks to know the model's speed

Shap = Callable[[Any, pd.DataFrame, pd.DataFrame], Any]


def by_trees(model: Any, background: pd.DataFrame, rows: pd.DataFrame) -> Any:
    """Explain with the interventional tree explainer."""
    explainer = shap.TreeExplainer(model, background)
    return explainer(rows, check_additivity=False).values


def by_formula(model: Any, background: pd.DataFrame, rows: pd.DataFrame) -> Any:
    """Explain with the linear explainer."""
    return shap.LinearExplainer(model, background)(rows).values


def output_of(model: Any, names: list[str]) -> Callable[[Any], Any]:
    """Return the explained number of a model as a function of cells."""

    def output(cells: Any) -> Any:
        frame = pd.DataFrame(cells, columns=names)
        if hasattr(model, "predict_proba"):
            return model.predict_proba(frame)[:, 1]
        return model.decision_function(frame)

    return output


def by_permutation(model: Any, background: pd.DataFrame, rows: pd.DataFrame) -> Any:
    """Explain a function, as ``shap.Explainer`` does for whatever it does not know."""
    output = output_of(model, list(rows.columns))
    return shap.Explainer(output, background)(rows, silent=True).values


@dataclass(frozen=True)
class Contest:
    """A model, shap's way to explain it, and how many of the rows it gets."""

    name: str
    model: Any
    way: Shap
    share: float = 1.0


def contests() -> list[Contest]:
    """Return the models, cheap ones first."""
    boosted: dict[str, Any] = {"n_estimators": 200, "n_jobs": 1}
    forest = RandomForestClassifier(100, max_depth=8, random_state=0)
    symmetric = {"iterations": 300, "depth": 6, "verbose": 0, "allow_writing_files": False}
    return [
        Contest("logistic regression", LogisticRegression(), by_formula),
        Contest("gradient boosting 100 x d3", GradientBoostingClassifier(), by_trees),
        Contest("xgboost 200 x d6", xgboost.XGBClassifier(**boosted), by_trees),
        Contest("lightgbm 200 x 31", lightgbm.LGBMClassifier(**boosted, verbose=-1), by_trees),
        Contest("catboost 300 x d6", CatBoostClassifier(**symmetric), by_trees),
        Contest("histogram 200 x 31", HistGradientBoostingClassifier(max_iter=200), by_trees),
        Contest("forest 100 x d8", forest, by_trees),
        Contest("forest 100", RandomForestClassifier(100, random_state=0), by_trees),
        Contest("extra trees 100", ExtraTreesClassifier(100, random_state=0), by_trees),
        Contest(
            "pipeline, forest d8", make_pipeline(StandardScaler(), forest), by_permutation, 0.05
        ),
        Contest("network", MLPClassifier((30,), max_iter=60, random_state=0), by_permutation),
        Contest("svc", SVC(), by_permutation, 0.05),
    ]


def opaque() -> list[tuple[str, Any]]:
    """Return models for the second table."""
    return [
        ("network", MLPClassifier((30,), max_iter=60, random_state=0)),
        ("forest 30 x d6", RandomForestClassifier(30, max_depth=6, random_state=0)),
        ("svc", SVC()),
        ("nearest", KNeighborsClassifier()),
    ]


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds and result."""
    start = time.process_time()
    result = action()
    return time.process_time() - start, result


def compare(contest: Contest, table: pd.DataFrame, target: Any, n_rows: int) -> str:
    """Return one line of the table."""
    contest.model.fit(table.iloc[:N_TRAINING], target[:N_TRAINING])
    background = table.iloc[:N_BACKGROUND]
    count = max(10, int(contest.share * n_rows))
    rows = table.iloc[N_TRAINING : N_TRAINING + count]
    contest.way(contest.model, background, rows.iloc[:2])
    theirs, values = timed(lambda: contest.way(contest.model, background, rows))
    local = LocalModel(contest.model)
    ours, found = timed(lambda: explain(local, rows, background, seconds=SECONDS, target=TARGET))
    values = values[:, :, 1] if values.ndim == 3 else values
    gap = "other unit"
    if values.shape == found.values.shape[:2]:
        scale = np.abs(values).max()
        gap = f"{np.abs(values - found.values[:, :, 0]).max() / scale:.1e}"
    error = "exact" if found.exact else f"± {found.relative_error:.0%}"
    return (
        f"{contest.name:28}{len(found.rows):>6}{found.method:>12}{error:>8}"
        f"{ours:>9.3f}{theirs:>9.2f}{theirs / ours:>8.1f}x   {gap}"
    )


@dataclass
class CountedRows:
    """A function that counts the rows it was asked."""

    function: Callable[[Any], Any]
    rows: int = 0

    def __call__(self, cells: Any) -> Any:
        """Answer and count."""
        self.rows += len(cells)
        return self.function(cells)


def sampled(model: FunctionModel, rows: pd.DataFrame, background: pd.DataFrame, seed: int) -> Any:
    """Explain by sampling alone, as many samples as ``MAX_PAIRS`` allows."""
    columns, explain_predictions.MAX_ENUMERATED_COLUMNS = (
        explain_predictions.MAX_ENUMERATED_COLUMNS,
        0,
    )
    try:
        return explain(model, rows, background, seconds=SECONDS, target=1e-9, seed=seed).values
    finally:
        explain_predictions.MAX_ENUMERATED_COLUMNS = columns


def accuracy(name: str, estimator: Any) -> str:
    """Return the errors of both ways at equal model calls, as a line of the table."""
    cells, target = make_classification(
        1000, SAMPLED_COLUMNS, n_informative=6, flip_y=0.05, random_state=1
    )
    names = [f"c{at}" for at in range(SAMPLED_COLUMNS)]
    frame = pd.DataFrame(cells, columns=names)
    estimator.fit(frame[:900], target[:900])
    background, rows = frame[:SAMPLED_BACKGROUND], frame[900 : 900 + SAMPLED_ROWS]
    model = FunctionModel(output_of(estimator, names))
    truth = explain(model, rows, background, seconds=10 * SECONDS).values[:, :, 0]
    errors: dict[str, list[float]] = {"shap": [], "ours": []}
    calls: dict[str, int] = {"shap": 0, "ours": 0}
    for seed in range(SAMPLED_SEEDS):
        model.rows = 0
        counted = CountedRows(model.function)
        theirs = shap.explainers.Permutation(counted, background, seed=seed)
        values = theirs(rows, max_evals=2 * SAMPLED_COLUMNS + 1, silent=True).values
        errors["shap"].append(float(np.abs(values - truth).mean()))
        calls["shap"] += counted.rows
        per_pair = 2 * (SAMPLED_COLUMNS - 1) * SAMPLED_ROWS
        explain_sampling.MAX_PAIRS = max((counted.rows - MEASURING) // per_pair, 1)
        values = sampled(model, rows, background, seed)[:, :, 0]
        errors["ours"].append(float(np.abs(values - truth).mean()))
        calls["ours"] += model.rows
    size = float(np.abs(truth).mean())
    ours, other = (float(np.mean(errors[way])) / size for way in ("ours", "shap"))
    return (
        f"{name:28}{calls['ours']:>10,}{calls['shap']:>10,}{ours:>9.1%}{other:>9.1%}"
        f"{ours / other:>8.2f}"
    )


def main() -> None:
    """Print a line per model."""
    warnings.simplefilter("ignore")
    n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    table, target = make_classification(
        N_TRAINING + n_rows, N_COLUMNS, n_informative=8, flip_y=0.05, random_state=0
    )
    frame = pd.DataFrame(table, columns=[f"c{at}" for at in range(N_COLUMNS)])
    print(
        f"{'model':28}{'rows':>6}{'route':>12}{'':>8}{'ours s':>9}{'shap s':>9}{'ratio':>9}   gap"
    )
    for contest in contests():
        print(compare(contest, frame, target, n_rows), flush=True)
    print(
        f"\n{'sampled, equal calls':28}{'ours':>10}{'shap':>10}{'error':>9}{'shap':>9}{'ratio':>8}"
    )
    for name, estimator in opaque():
        print(accuracy(name, estimator), flush=True)


if __name__ == "__main__":
    main()
