"""What drifted input does to a model: its predictions, and its quality where labels exist.

Owns: asking a model about many drifted tables in few calls, and comparing the answers to those
for the same rows before. Labels are compared here and never sent to the model.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import NOT_FINITE, Estimate
from drift import main_probability, prediction_labels
from drift_count_tests import total_variation
from drift_merge import merge
from drift_profiles import align_counts, category_label, profile_labels, profile_numbers
from drift_tests import wasserstein
from drift_types import PredictionChange
from errors import ModelError
from intervals import share_estimate
from model_types import Asked, ModelInfo, Predictions, QueueModel, Task

N_RESAMPLES = 200
MIN_QUALITY_ROWS = 10

Answers = dict[Hashable, Predictions | ModelError]


def stacked(base: pd.DataFrame, drifts: Sequence[Mapping[str, pd.Series[Any]]]) -> pd.DataFrame:
    """Return a table once per drift, one below the other, each with its drifted columns.

    Parameters
    ----------
    base : DataFrame
        n rows.
    drifts : sequence of mapping of str to Series
        What became of some columns; of each the first n rows count. In all drifts that touch a
        column it is of one dtype.

    Returns
    -------
    DataFrame
        n rows per drift, numbered from 0.

    Examples
    --------
    >>> base = pd.DataFrame({"x": [1, 2], "y": [3, 4]})
    >>> stacked(base, [{}, {"y": pd.Series([5, 6])}]).to_numpy().tolist()
    [[1, 3], [2, 4], [1, 5], [2, 6]]
    """
    n_rows = len(base)
    table = base.iloc[np.tile(np.arange(n_rows), len(drifts))].reset_index(drop=True)
    for name in dict.fromkeys(name for drift in drifts for name in drift):
        drifted = {at: drift[name] for at, drift in enumerate(drifts) if name in drift}
        table[name] = _stacked_column(base[name], drifted, len(drifts))
    return table


def _stacked_column(
    same: pd.Series[Any], drifted: Mapping[int, pd.Series[Any]], n_tables: int
) -> pd.Series[Any]:
    """Repeat a column, drifted in some tables; of one plain type without asking what fits."""
    n_rows = len(same)
    dtypes = {same.dtype, *(part.dtype for part in drifted.values())}
    if len(dtypes) > 1 or not isinstance(same.dtype, np.dtype):
        parts = [drifted.get(at, same).iloc[:n_rows] for at in range(n_tables)]
        return pd.concat(parts, ignore_index=True)
    values = np.tile(same.to_numpy(), (n_tables, 1))
    for at, part in drifted.items():
        values[at] = part.to_numpy()[:n_rows]
    return pd.Series(values.ravel(), dtype=same.dtype)  # else objects would be typed anew


def _nothing() -> None:
    """Stand in for work while the model works."""


def predict_many(
    model: QueueModel,
    table: pd.DataFrame,
    keys: Sequence[Hashable],
    *,
    meanwhile: Callable[[], None] = _nothing,
) -> Answers:
    """Predict many tables of one shape in as few calls as the model allows.

    Parameters
    ----------
    model : QueueModel
        Asked once for all rows; where that fails, for each half of the tables, and so on, so that
        one table the model cannot take costs no other its answer.
    table : DataFrame
        The tables one below the other, as ``stacked`` returns them.
    keys : sequence of hashable
        One per table.
    meanwhile : callable
        Called once, while the model works where there is something to ask; may raise.

    Returns
    -------
    dict
        By key the predictions, or the error the model raised for this table alone.
    """
    if not keys:
        meanwhile()
        return {}
    n_rows = len(table) // len(keys)
    answer = _answer(model, table, meanwhile)
    if isinstance(answer, ModelError):
        if len(keys) == 1:
            return {keys[0]: answer.with_traceback(None)}  # it would keep all tables in memory
        half = len(keys) // 2
        first, rest = table.iloc[: half * n_rows], table.iloc[half * n_rows :]
        return {
            **predict_many(model, first, keys[:half]),
            **predict_many(model, rest.reset_index(drop=True), keys[half:]),
        }
    return {
        key: take(answer, np.arange(at * n_rows, (at + 1) * n_rows)) for at, key in enumerate(keys)
    }


def _answer(
    model: QueueModel, table: pd.DataFrame, meanwhile: Callable[[], None]
) -> Predictions | ModelError:
    """Predict one table; a model that takes the next while it works leaves time for other work."""

    def tables() -> Iterator[Asked]:
        yield Asked(table, proba=True)
        meanwhile()

    with closing(model.predict_each(tables())) as found:
        (answer,) = found
    return answer


def take(predictions: Predictions, rows: NDArray[np.int64]) -> Predictions:
    """Return the predictions of some rows."""
    proba, score = predictions.y_proba, predictions.y_score
    return Predictions(
        predictions.y_pred[rows],
        None if proba is None else proba[rows],
        None if score is None else score[rows],
    )


def labels_of(values: NDArray[Any]) -> NDArray[Any]:
    """Return class labels as text, so that 1, 1.0 and numpy's 1 are the same class.

    Examples
    --------
    >>> labels_of(np.array([1, 2])).tolist(), labels_of(np.array([1.0, 2.0])).tolist()
    (['1', '2'], ['1', '2'])
    """
    labels = prediction_labels(values)
    if labels.dtype.kind not in "iubU":
        return np.array([category_label(value) for value in labels.tolist()])
    distinct, places = np.unique(labels, return_inverse=True)
    return np.array([category_label(value) for value in distinct.tolist()])[places]


def numbers_of(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return numeric predictions as shape (n,), the first output of several.

    Examples
    --------
    >>> numbers_of(np.array([[1, 9], [2, 8]])).tolist()
    [1.0, 2.0]
    """
    return np.asarray(values.reshape(len(values), -1)[:, 0], dtype=np.float64)


# --- predictions -------------------------------------------------------------------------------


def prediction_change(
    before: Predictions, after: Predictions, info: ModelInfo, *, same_rows: bool = True
) -> PredictionChange:
    """Compare a model's answers before and after a drift.

    Parameters
    ----------
    before, after : Predictions
        Of the same rows in the same order if ``same_rows``, else of two samples.
    info : ModelInfo
        Of the model.
    same_rows : bool
        Whether rows can be compared one by one.

    Returns
    -------
    PredictionChange
        Distance: total variation of the classes, or the Wasserstein distance in standard
        deviations of ``before``. Rows without a finite answer are counted in ``n_failed``.
    """
    if info.task is Task.REGRESSION:
        return _number_change(numbers_of(before.y_pred), numbers_of(after.y_pred))
    old, new = labels_of(before.y_pred), labels_of(after.y_pred)
    profiles = [profile_labels(labels) for labels in (old, new)]
    _, *counts = align_counts(profiles[0], profiles[1])
    mean_change = None
    if info.task is Task.BINARY and before.y_proba is not None and after.y_proba is not None:
        gap = np.mean(main_probability(after.y_proba)) - np.mean(main_probability(before.y_proba))
        mean_change = _finite(float(gap))
    return PredictionChange(
        distance=total_variation(counts[0], counts[1]).statistic,
        distance_name="total variation of the predicted classes",
        flipped_share=float(np.mean(old != new)) if same_rows else None,
        mean_change=mean_change,
    )


def _number_change(old: NDArray[np.float64], new: NDArray[np.float64]) -> PredictionChange:
    before, after = profile_numbers(old), profile_numbers(new)
    failed = len(new) - after.n_values
    name = "Wasserstein distance of the predictions in standard deviations"
    if not before.n_values or not after.n_values or not before.std:
        return PredictionChange(distance_name=name, n_failed=failed)
    distance = wasserstein(merge(before.values, after.values)).statistic
    return PredictionChange(
        distance=distance / before.std,
        distance_name=name,
        mean_change=float(after.values.mean() - before.values.mean()),
        n_failed=failed,
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def harm_of(before: Predictions, after: Predictions, info: ModelInfo) -> float:
    """Return how much the answers for the same rows changed, in 0..1.

    Share of rows with another label; for numbers the mean absolute change in standard deviations
    of the predictions before, at most 1. A row without a finite answer counts as fully changed.
    """
    if info.task is not Task.REGRESSION:
        return float(np.mean(labels_of(before.y_pred) != labels_of(after.y_pred)))
    old, new = numbers_of(before.y_pred), numbers_of(after.y_pred)
    with np.errstate(over="ignore", invalid="ignore"):  # what is no number changed fully
        scale = _spread(old)
        if not np.isfinite(scale):  # its squares overflow, the answers themselves do not
            top = np.abs(old[np.isfinite(old)]).max()
            old, new = old / top, new / top
            scale = _spread(old)
        change = np.where(np.isfinite(old) & np.isfinite(new), np.abs(new - old), np.inf)
    if scale == 0:
        return float(np.mean(change > 0))
    return float(np.mean(np.minimum(change / scale, 1.0)))


def _spread(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of the finite values, 0 where there are none."""
    finite = values[np.isfinite(values)]
    return float(np.std(finite)) if finite.size else 0.0


# --- quality -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """Known labels of the rows and the measure they are judged by.

    Parameters
    ----------
    metric : str
        "accuracy" or "r2".
    values : ndarray, shape (n,)
        Labels as text, or numbers.
    known : ndarray of bool, shape (n,)
        Rows that have a label.
    """

    metric: str
    values: NDArray[Any]
    known: NDArray[np.bool_]


def truth_of(y_true: pd.Series[Any] | None, info: ModelInfo) -> Truth | None:
    """Return the labels as they will be compared; None without any or without a measure."""
    if y_true is None or info.n_outputs > 1:
        return None
    known = y_true.notna().to_numpy()
    if info.task.is_classification:
        labels = np.array([category_label(value) for value in y_true.tolist()])
        return Truth("accuracy", labels, known)
    if info.task is Task.REGRESSION:
        values = pd.to_numeric(y_true, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        return Truth("r2", values, known & np.isfinite(values))
    return None


def quality(truth: Truth, rows: NDArray[np.int64], answer: Predictions) -> Estimate:
    """Return accuracy (Wilson interval) or R² (percentile bootstrap) of some rows.

    Parameters
    ----------
    truth : Truth
        Labels of all rows.
    rows : ndarray of int, shape (k,)
        Rows of ``truth`` that ``answer`` is for.
    answer : Predictions
        k rows.
    """
    known = truth.known[rows]
    n_known = int(known.sum())
    if n_known < MIN_QUALITY_ROWS:
        return Estimate(n=n_known, reason=f"Only {n_known} rows have a label.")
    expected = truth.values[rows][known]
    if truth.metric == "accuracy":
        correct = int((labels_of(answer.y_pred)[known] == expected).sum())
        return share_estimate(correct, n_known)
    return _r2_estimate(expected, numbers_of(answer.y_pred)[known])


def _r2_estimate(expected: NDArray[np.float64], predicted: NDArray[np.float64]) -> Estimate:
    n = len(expected)
    if not np.isfinite(predicted).all():
        return Estimate(n=n, reason="The model gave answers that are no finite numbers.")
    if np.ptp(expected) == 0:
        return Estimate(n=n, reason="The true values are all the same, so R² has no meaning.")
    drawn = _draws(n)
    with np.errstate(over="ignore"):  # told as a value that is not finite
        resampled = _r2(expected[drawn], predicted[drawn])
        value = float(_r2(expected[None], predicted[None])[0])
    finite = resampled[np.isfinite(resampled)]
    if not (finite.size and np.isfinite(value)):
        return Estimate(n=n, reason=NOT_FINITE)
    low, high = np.quantile(finite, [0.025, 0.975])
    return Estimate(value=value, low=float(low), high=float(high), n=n)


@lru_cache(maxsize=2)
def _draws(n: int) -> NDArray[np.int64]:
    """Return the rows of each resample, the same for every drift of the same rows."""
    return np.random.default_rng(0).integers(n, size=(N_RESAMPLES, n))


def _r2(expected: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """R² per line, shapes (k, n) -> (k,); a line of one repeated value gives infinity."""
    residual = ((expected - predicted) ** 2).sum(axis=1)
    total = ((expected - expected.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    ratio = np.full(len(total), np.inf)
    np.divide(residual, total, out=ratio, where=total > 0)
    return np.asarray(1 - ratio)
