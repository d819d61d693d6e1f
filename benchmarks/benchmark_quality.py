"""How much faster the vectorised bootstrap is than a plain loop over scikit-learn's metrics.

Run ``python benchmarks/benchmark_quality.py``. Prints seconds and ratios; the values of both ways
are compared as well, so that a fast wrong answer shows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import metrics as sk

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from metrics import evaluate_quality
from model_types import ModelInfo, Predictions, Task
from report_types import RunConfig

PLAIN_RESAMPLES = 20
"""Resamples of the plain loop that are really run; its time is scaled to all of them."""

Scores = dict[str, float]


def classification_case(n: int, n_classes: int) -> tuple[ModelInfo, pd.Series, Predictions]:
    """Return a classifier's answers for random labels."""
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, n_classes, n)
    y_proba = rng.dirichlet(np.ones(n_classes), n) + 0.5 * np.eye(n_classes)[y_true]
    y_proba /= y_proba.sum(axis=1, keepdims=True)
    task = Task.BINARY if n_classes == 2 else Task.MULTICLASS
    info = ModelInfo(task=task, estimator="Benchmark", classes=list(range(n_classes)))
    return info, pd.Series(y_true), Predictions(y_proba.argmax(axis=1), y_proba)


def regression_case(n: int) -> tuple[ModelInfo, pd.Series, Predictions]:
    """Return a regression's answers for random labels."""
    rng = np.random.default_rng(0)
    y_true = rng.normal(10.0, 2.0, n)
    info = ModelInfo(task=Task.REGRESSION, estimator="Benchmark")
    return info, pd.Series(y_true), Predictions(y_true + rng.normal(size=n))


def plain_classification(
    y_true: NDArray[np.int64], predictions: Predictions, rows: NDArray[np.int64]
) -> Scores:
    """Return scikit-learn's metrics of some rows."""
    assert predictions.y_proba is not None  # noqa: S101 - the cases above have probabilities
    true, answer, proba = y_true[rows], predictions.y_pred[rows], predictions.y_proba[rows]
    binary = proba.shape[1] == 2
    average = "binary" if binary else "macro"
    ranked = proba[:, 1] if binary else proba
    return {
        "accuracy": sk.accuracy_score(true, answer),
        "balanced_accuracy": sk.balanced_accuracy_score(true, answer),
        "precision": sk.precision_score(true, answer, average=average, zero_division=0),
        "recall": sk.recall_score(true, answer, average=average, zero_division=0),
        "f1": sk.f1_score(true, answer, average=average, zero_division=0),
        "roc_auc": sk.roc_auc_score(true, ranked, multi_class="ovr"),
        "average_precision": sk.average_precision_score(true, ranked),
        "log_loss": sk.log_loss(true, proba, labels=np.arange(proba.shape[1])),
        "brier": sk.brier_score_loss(true, ranked),
    }


def plain_regression(
    y_true: NDArray[np.float64], predictions: Predictions, rows: NDArray[np.int64]
) -> Scores:
    """Return scikit-learn's metrics of some rows."""
    true, answer = y_true[rows], predictions.y_pred[rows]
    return {
        "mean_absolute_error": sk.mean_absolute_error(true, answer),
        "root_mean_squared_error": sk.root_mean_squared_error(true, answer),
        "r2": sk.r2_score(true, answer),
        "mean_absolute_percentage_error": sk.mean_absolute_percentage_error(true, answer),
        "median_absolute_error": sk.median_absolute_error(true, answer),
    }


def seconds_of(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest of a few runs."""
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return min(durations)


def compare(name: str, case: tuple[ModelInfo, pd.Series, Predictions]) -> None:
    """Print one line: our whole section against the loop for its metrics alone."""
    info, y_true, predictions = case
    n, config = len(y_true), RunConfig()
    labels = y_true.to_numpy()
    frame = pd.DataFrame({"x": np.random.default_rng(1).normal(size=n)})
    plain = plain_regression if info.task is Task.REGRESSION else plain_classification
    resamples = np.random.default_rng(2).integers(0, n, (PLAIN_RESAMPLES, n))

    def ours() -> dict[str, float | None]:
        section = evaluate_quality(
            predictions, info, frame, y_true, config=config, labels_from="benchmark"
        )
        return {metric.name: metric.estimate.value for metric in section.metrics}

    fast = seconds_of(ours)
    slow = seconds_of(lambda: [plain(labels, predictions, rows) for rows in resamples], repeats=1)
    slow *= config.n_resamples / PLAIN_RESAMPLES
    expected = plain(labels, predictions, np.arange(n))
    found = ours()
    worst = max(abs((found[key] or np.nan) - value) for key, value in expected.items())
    print(f"{name:<28}{n:>8,}{fast:>9.3f}{slow:>10.1f}{slow / fast:>9.0f}x   {worst:.0e}")


def main() -> None:
    """Print the table."""
    print(f"{'case':<28}{'rows':>8}{'ours s':>9}{'plain s':>10}{'ratio':>10}   difference")
    for n in (1_000, 10_000):
        for n_classes in (2, 3, 10):
            compare(f"classification, {n_classes} classes", classification_case(n, n_classes))
        compare("regression", regression_case(n))


if __name__ == "__main__":
    main()
