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
from metric_names import MULTILABEL_METRICS, MULTIOUTPUT_METRICS, higher_is_better
from report_types import Metric

Codes = NDArray[np.int64]


def output_metrics(
    y_true: Codes, y_pred: Codes, *, is_multilabel: bool, n_resamples: int, seed: int
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

    Returns
    -------
    list of Metric
    """
    names = MULTILABEL_METRICS if is_multilabel else MULTIOUTPUT_METRICS
    rng = np.random.default_rng(seed)
    ones = np.ones((1, len(y_true)))
    values = _scorer(y_true, y_pred)(ones)
    frequent = [np.bincount(column).argmax() for column in y_true.T]
    baseline = _scorer(y_true, np.broadcast_to(np.array(frequent), y_true.shape))(ones)
    subset = bootstrap.resampling_rows(len(y_true), rng)
    scorer = _scorer(y_true[subset], y_pred[subset])
    subset_values = scorer(np.ones((1, subset.size)))
    drawn = bootstrap.resample(subset.size, scorer, n_resamples=n_resamples, rng=rng)
    metrics = []
    for name in names:
        value = float(values[name][0])
        interval = bootstrap.scaled_interval(
            bootstrap.percentile_interval(drawn[name], subset.size),
            float(subset_values[name][0]),
            value,
            subset.size / len(y_true),
        )
        metrics.append(
            Metric(
                name=name,
                estimate=interval.around(value, len(y_true)),
                baseline=float(baseline[name][0]),
                baseline_name="always the most frequent value of each output",
                higher_is_better=higher_is_better(name),
            )
        )
    return metrics


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
