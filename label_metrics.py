"""Classification metrics of predicted labels: values, intervals, baselines, tables.

Owns: ``Labelled`` (labelled rows with what a classifier said) and the metrics that follow from
counts of (true, predicted) pairs. Values equal scikit-learn's; without weights a bootstrap resample
of rows is a multinomial draw of these counts, so that no row is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bootstrap
from base_types import Estimate
from bootstrap import FloatArray, Interval
from metric_names import LABEL_METRICS
from report_types import ClassRow, Metric

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labelled rows with what a classifier said about them.

    Parameters
    ----------
    y_true, y_pred : ndarray of int, shape (n,)
        Positions in ``labels``.
    labels : list of str
        The model's classes, then at most one entry for labels it does not know.
    n_classes : int
        How many of ``labels`` are the model's.
    positive : int or None
        The class that counts, for two classes; None asks for averages over classes.
    scores : ndarray of float, shape (n, n_classes), optional
        One column per class; higher is more likely.
    is_probability : bool
        Whether ``scores`` are probabilities.
    weights : ndarray of float, shape (n,), optional
        What each row counts for, >= 0 with a positive sum; all alike where not given.
    """

    y_true: Codes
    y_pred: Codes
    labels: list[str]
    n_classes: int
    positive: int | None
    scores: FloatArray | None
    is_probability: bool
    weights: FloatArray | None = None

    @property
    def n(self) -> int:
        """Number of labelled rows."""
        return self.y_true.size

    @property
    def majority(self) -> int:
        """Position of the most frequent true label."""
        return int(np.bincount(self.y_true, self.weights).argmax())

    @property
    def worth(self) -> FloatArray:
        """What each row counts for, shape (n,)."""
        return np.ones(self.n) if self.weights is None else self.weights


@dataclass(frozen=True, slots=True)
class Cells:
    """Weights of the (true, predicted) pairs that occur, as positions of labels.

    ``places`` is the pair of each row, shape (n,).
    """

    y_true: Codes
    y_pred: Codes
    counts: FloatArray
    n_labels: int
    places: Codes

    @classmethod
    def of(cls, y_true: Codes, y_pred: Codes, n_labels: int, worth: FloatArray) -> Cells:
        """Add up the worth of the rows of each pair; all arrays have shape (n,)."""
        pairs, places = np.unique(y_true * n_labels + y_pred, return_inverse=True)
        counts: FloatArray = np.bincount(places, worth, minlength=pairs.size).astype(np.float64)
        return cls(pairs // n_labels, pairs % n_labels, counts, n_labels, places)

    def per_label(self, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return (hits, support, predicted), each (b, n_labels), for weights (b, n_cells)."""
        is_true = _one_hot(self.y_true, self.n_labels)
        is_predicted = _one_hot(self.y_pred, self.n_labels)
        hit: FloatArray = weights * (self.y_true == self.y_pred)
        return hit @ is_true, weights @ is_true, weights @ is_predicted


def _one_hot(codes: Codes, n_labels: int) -> FloatArray:
    """Return shape (n, n_labels): 1 in the column of each code."""
    table = np.zeros((codes.size, n_labels))
    table[np.arange(codes.size), codes] = 1.0
    return table


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide; NaN where the denominator is 0."""
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out


def _mean_where(values: FloatArray, present: NDArray[np.bool_]) -> FloatArray:
    """Return row means over the present labels; undefined values count as 0, as in scikit-learn."""
    total = np.where(present & np.isfinite(values), values, 0.0).sum(axis=1)
    return _ratio(total, present.sum(axis=1).astype(np.float64))


def label_scores(cells: Cells, weights: FloatArray, positive: int | None) -> dict[str, FloatArray]:
    """Return accuracy, balanced accuracy, precision, recall and F1 for weighted counts.

    Parameters
    ----------
    cells : Cells
    weights : ndarray of float, shape (b, n_cells)
        How often each pair occurs in each resample.
    positive : int or None
        The label that counts; None for macro averages over labels that occur.

    Returns
    -------
    dict of str to ndarray, shape (b,)
        NaN where undefined: precision of a label never predicted, recall of one never true.
    """
    hits, support, predicted = cells.per_label(weights)
    recall, precision = _ratio(hits, support), _ratio(hits, predicted)
    f1 = _ratio(2 * hits, support + predicted)
    scores = {
        "accuracy": _ratio(hits.sum(axis=1), weights.sum(axis=1)),
        "balanced_accuracy": _mean_where(recall, support > 0),
    }
    by_label = {"precision": precision, "recall": recall, "f1": f1}
    present = support + predicted > 0
    for name, values in by_label.items():
        scores[name] = values[:, positive] if positive is not None else _mean_where(values, present)
    return scores


def label_metrics(data: Labelled, *, n_resamples: int, rng: np.random.Generator) -> list[Metric]:
    """Return the metrics that need predicted labels only, each with interval and baseline.

    Parameters
    ----------
    data : Labelled
        At least one row.
    n_resamples : int
    rng : Generator
        The same state gives the same intervals.

    Returns
    -------
    list of Metric
        In the order of ``LABEL_METRICS``. Precision, recall and F1 are those of the positive class,
        or macro averages over the labels that occur when there is none.
    """
    cells = Cells.of(data.y_true, data.y_pred, len(data.labels), data.worth)
    values = label_scores(cells, cells.counts[None], data.positive)
    intervals = _intervals(data, cells, n_resamples, rng)
    constant = Cells.of(data.y_true, np.full(data.n, data.majority), len(data.labels), data.worth)
    baseline = label_scores(constant, constant.counts[None], data.positive)
    perfect = bool(np.all(data.y_true == data.y_pred))
    metrics = []
    for name in LABEL_METRICS:
        value = float(values[name][0])
        interval = intervals[name]
        if perfect and np.isfinite(value):
            interval = Interval(_perfect_bound(data, name), 1.0)
        metrics.append(
            Metric(
                name=name,
                estimate=_label_estimate(data, name, value, interval),
                baseline=finite_or_none(float(baseline[name][0])),
                baseline_name=f'always "{data.labels[data.majority]}"',
            )
        )
    return metrics


def _intervals(
    data: Labelled, cells: Cells, n_resamples: int, rng: np.random.Generator
) -> dict[str, Interval]:
    """Return the interval of every metric; with weights up to ``MAX_ROWS`` rows are resampled."""
    if data.weights is None:
        drawn = rng.multinomial(data.n, cells.counts / data.n, size=n_resamples)
        resampled = label_scores(cells, drawn.astype(np.float64), data.positive)
        return {
            name: bootstrap.percentile_interval(values, data.n)
            for name, values in resampled.items()
        }
    rows = bootstrap.resampling_rows(data.n, rng)
    return bootstrap.subset_intervals(
        _row_scorer(data, cells, rows),
        label_scores(cells, cells.counts[None], data.positive),
        weights=data.weights[rows],
        n=data.n,
        n_resamples=n_resamples,
        rng=rng,
    )


def _row_scorer(
    data: Labelled, cells: Cells, rows: Codes
) -> Callable[[NDArray[Any]], dict[str, FloatArray]]:
    """Return the function from weights of rows (b, m) to scores (b,)."""
    from scipy.sparse import csr_array

    shape = (rows.size, cells.counts.size)
    table = csr_array((np.ones(rows.size), (np.arange(rows.size), cells.places[rows])), shape=shape)

    def score(weights: NDArray[Any]) -> dict[str, FloatArray]:
        per_cell = np.asarray(weights.astype(np.float64) @ table)
        return label_scores(cells, per_cell, data.positive)

    return score


def _label_estimate(data: Labelled, name: str, value: float, interval: Interval) -> Estimate:
    """Return the estimate, or the reason why the metric is undefined for the positive class."""
    if np.isfinite(value):
        return interval.around(value, data.n)
    label = data.labels[data.positive or 0]
    reasons = {
        "precision": f"The model never predicts {label!r}.",
        "recall": f"No labelled row is {label!r}.",
        "f1": f"{label!r} is neither predicted nor the label of any row.",
    }
    return Estimate(n=data.n, reason=reasons[name])


def _perfect_bound(data: Labelled, name: str, confidence: float = 0.95) -> float:
    """Return a lower bound where every label is right and resampling would show no spread.

    After n rows without error the true hit rate is above ``(1 - confidence) ** (1 / n)``; for a
    metric per class n is the class's own rows, and averages take the average of the bounds. With
    weights n is the effective number of rows, ``sum(w)^2 / sum(w^2)`` (Kish 1965).
    """
    worth = data.worth
    size = len(data.labels)
    total = np.bincount(data.y_true, worth, minlength=size).astype(np.float64)
    squares = np.bincount(data.y_true, worth**2, minlength=size).astype(np.float64)
    support = _ratio(total**2, squares)
    if name == "accuracy":
        support = np.array([worth.sum() ** 2 / np.sum(worth**2)])
    elif data.positive is not None and name != "balanced_accuracy":
        support = support[[data.positive]]
    return float(np.mean((1 - confidence) ** (1 / support[support > 0])))


def finite_or_none(value: float) -> float | None:
    """Return a number JSON can carry, or None."""
    return value if np.isfinite(value) else None


# --- tables ----------------------------------------------------------------------------------


def confusion_matrix(data: Labelled) -> NDArray[np.int64]:
    """Return counts of rows, shape (n_labels, n_labels): rows true, columns predicted."""
    k = len(data.labels)
    return np.bincount(data.y_true * k + data.y_pred, minlength=k * k).reshape(k, k)


def weighted_confusion(data: Labelled) -> FloatArray:
    """Return the worth of the rows in each cell, as scikit-learn does with ``sample_weight``.

    Shape (n_labels, n_labels): rows true, columns predicted.
    """
    k = len(data.labels)
    sums = np.bincount(data.y_true * k + data.y_pred, data.worth, minlength=k * k)
    return sums.astype(np.float64).reshape(k, k)


def class_table(data: Labelled) -> list[ClassRow]:
    """Return precision, recall and F1 per label, None where undefined; support counts rows."""
    cells = Cells.of(data.y_true, data.y_pred, len(data.labels), data.worth)
    hits, true, answered = (part[0] for part in cells.per_label(cells.counts[None]))
    precision, recall = _ratio(hits, answered), _ratio(hits, true)
    f1 = _ratio(2 * hits, true + answered)
    support = np.bincount(data.y_true, minlength=len(data.labels))
    predicted = np.bincount(data.y_pred, minlength=len(data.labels))
    return [
        ClassRow(
            label=label,
            support=int(support[i]),
            predicted=int(predicted[i]),
            precision=finite_or_none(float(precision[i])),
            recall=finite_or_none(float(recall[i])),
            f1=finite_or_none(float(f1[i])),
        )
        for i, label in enumerate(data.labels)
    ]
