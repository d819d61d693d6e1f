"""Quality of models that answer several labels per row, and of clusterings.

Owns: the metrics of multilabel and multioutput classifiers and the agreement of clusters with
labels. Values equal scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bootstrap
from base_types import Estimate
from bootstrap import FloatArray
from metric_names import (
    MULTILABEL_METRICS,
    MULTILABEL_SCORES,
    MULTIOUTPUT_METRICS,
    higher_is_better,
    undefined_metrics,
)
from ranking import Ranking, macro_areas
from report_types import Metric

Codes = NDArray[np.int64]


def output_metrics(
    y_true: Codes,
    y_pred: Codes,
    *,
    is_multilabel: bool,
    n_resamples: int,
    seed: int,
    weights: FloatArray | None = None,
) -> list[Metric]:
    """Return the metrics of several outputs per row with intervals and baselines.

    ``accuracy`` counts rows whose outputs are all right (subset accuracy), ``hamming_loss`` the
    share of single outputs that are wrong.

    Parameters
    ----------
    y_true, y_pred : ndarray of int, shape (n, n_outputs)
        Positions of classes; 0/1 for multilabel. At least one row.
    is_multilabel : bool
        Whether F1 over labels makes sense.
    n_resamples, seed : int
    weights : ndarray of float, shape (n,), optional
        What each row counts for, > 0.

    Returns
    -------
    list of Metric
    """
    names = MULTILABEL_METRICS if is_multilabel else MULTIOUTPUT_METRICS
    worth = np.ones(len(y_true)) if weights is None else weights
    rng = np.random.default_rng(seed)
    values = _scorer(y_true, y_pred)(worth[None])
    frequent = [np.bincount(column, worth).argmax() for column in y_true.T]
    baseline = _scorer(y_true, np.broadcast_to(np.array(frequent), y_true.shape))(worth[None])
    subset = bootstrap.resampling_rows(len(y_true), rng)
    intervals = bootstrap.subset_intervals(
        _scorer(y_true[subset], y_pred[subset]),
        values,
        weights=worth[subset],
        n=len(y_true),
        n_resamples=n_resamples,
        rng=rng,
    )
    return [
        Metric(
            name=name,
            estimate=intervals[name].around(float(values[name][0]), len(y_true)),
            baseline=float(baseline[name][0]),
            baseline_name="always the most frequent value of each output",
            higher_is_better=higher_is_better(name),
        )
        for name in names
    ]


def ranking_metrics(
    y_true: Codes,
    scores: FloatArray | None,
    *,
    n_resamples: int,
    seed: int,
    weights: FloatArray | None = None,
) -> list[Metric]:
    """Return ROC AUC and average precision of a multilabel model, averaged over its labels.

    Parameters
    ----------
    y_true : ndarray of int, shape (n, n_labels)
        0 or 1.
    scores : ndarray of float, shape (n, n_labels), or None
        P(label = 1) or a score; higher is more likely.
    n_resamples, seed : int
    weights : ndarray of float, shape (n,), optional
        What each row counts for, > 0.

    Returns
    -------
    list of Metric
        Means over the labels of which both values occur (scikit-learn's macro average of these).
    """
    reason = _why_no_ranking(y_true, scores)
    if reason is not None or scores is None:
        return undefined_metrics(MULTILABEL_SCORES, reason or "", len(y_true))
    worth = np.ones(len(y_true)) if weights is None else weights
    both = [k for k in range(y_true.shape[1]) if np.ptp(y_true[:, k]) > 0]

    def scorer(rows: NDArray[np.int64]) -> Callable[[NDArray[Any]], dict[str, FloatArray]]:
        rankings = [Ranking(scores[rows, k], y_true[rows, k] == 1) for k in both]
        return lambda drawn: dict(zip(MULTILABEL_SCORES, macro_areas(rankings, drawn), strict=True))

    rng = np.random.default_rng(seed)
    values = scorer(np.arange(len(y_true)))(worth[None])
    max_rows = max(1000, bootstrap.MAX_ROWS // len(both))
    subset = bootstrap.resampling_rows(len(y_true), rng, max_rows=max_rows)
    intervals = bootstrap.subset_intervals(
        scorer(subset),
        values,
        weights=worth[subset],
        n=len(y_true),
        n_resamples=n_resamples,
        rng=rng,
    )
    shares = np.average(y_true[:, both] == 1, axis=0, weights=worth)
    baselines = (0.5, float(shares.mean()))
    return [
        Metric(
            name=name,
            estimate=intervals[name].around(float(values[name][0]), len(y_true)),
            baseline=baseline,
            baseline_name="the share of each label",
        )
        for name, baseline in zip(MULTILABEL_SCORES, baselines, strict=True)
    ]


def _why_no_ranking(y_true: Codes, scores: FloatArray | None) -> str | None:
    """Return why labels cannot be ranked, or None when they can."""
    if scores is None or scores.shape != y_true.shape:
        return "The model gives neither probabilities nor scores per label."
    if not np.all(np.isfinite(scores)):
        return "Some probabilities are not finite numbers."
    if not np.any(np.ptp(y_true, axis=0) > 0):
        return "No label has rows with and without it."
    return None


def _scorer(y_true: Codes, y_pred: Codes) -> Callable[[NDArray[Any]], dict[str, FloatArray]]:
    """Return the function from row weights (b, n) to metric values (b,) by name."""
    wrong = (y_true != y_pred).mean(axis=1)
    hits = (y_true == 1) & (y_pred == 1)
    marked = (y_true == 1).astype(np.float64) + (y_pred == 1)
    columns = np.column_stack([wrong == 0, wrong]).astype(np.float64)

    def score(weights: NDArray[Any]) -> dict[str, FloatArray]:
        exact = weights.astype(np.float64)
        right, missed = (exact @ columns / exact.sum(axis=1, keepdims=True)).T
        hit, both = 2 * (exact @ hits), exact @ marked
        return {
            "accuracy": right,
            "hamming_loss": missed,
            "f1_micro": _share(hit.sum(axis=1), both.sum(axis=1)),
            "f1_macro": _share(hit, both).mean(axis=1),
        }

    return score


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Divide; 0 where the whole is 0, as scikit-learn does for F1."""
    out = np.zeros(np.shape(whole))
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def clustering_metrics(labels: Codes, clusters: Codes) -> list[Metric]:
    """Return how well clusters agree with labels, whatever the clusters are called.

    Parameters
    ----------
    labels, clusters : ndarray of int, shape (n,)

    Returns
    -------
    list of Metric
        Adjusted Rand index (at most 1, 0 by chance) and normalised mutual information (0..1).

    Examples
    --------
    >>> found = clustering_metrics(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    >>> [(metric.name, metric.estimate.value) for metric in found]
    [('adjusted_rand_score', 1.0), ('normalized_mutual_info_score', 1.0)]
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return [
        Metric(
            name=score.__name__,
            estimate=Estimate(
                value=float(score(labels, clusters)),
                n=labels.size,
                interval_reason="It counts pairs of rows, which resampling rows would distort.",
            ),
            baseline=0.0,
            baseline_name="one cluster for all",
        )
        for score in (adjusted_rand_score, normalized_mutual_info_score)
    ]
