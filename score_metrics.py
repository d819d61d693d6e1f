"""Classification metrics of probabilities and scores: values, intervals, baselines.

Owns: ROC AUC, average precision, log loss and Brier score, and the reasons why one of them does
not exist for a model or a sample. Values equal scikit-learn's; intervals resample rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import bootstrap
from base_types import Estimate
from bootstrap import FloatArray, Interval
from label_metrics import Codes, Labelled
from metric_names import SCORE_METRICS, higher_is_better, undefined_metrics
from ranking import Ranking, macro_areas
from report_types import Metric

LOSSES = ("log_loss", "brier")
UNMATCHED = "No label is one of the model's classes."

MAX_RANKED_CLASSES = 20
"""More classes than this get their ranking metrics without interval: each costs a sort per class
and resample."""

SUM_TOLERANCE = 1e-3
"""Class probabilities of a row may miss a sum of 1 by this much (float32 models do)."""


def probability_losses(y_true: Codes, y_proba: FloatArray) -> FloatArray:
    """Return log loss and Brier score per row, shape (n, 2); their means equal scikit-learn's.

    Parameters
    ----------
    y_true : ndarray of int, shape (n,)
        Columns of ``y_proba``.
    y_proba : ndarray of float, shape (n, k)
        In [0, 1]; clipped by the machine epsilon for the logarithm. The Brier score of two
        classes is halved, as usual, so that it lies in [0, 1].

    Examples
    --------
    >>> probability_losses(np.array([1]), np.array([[0.5, 0.5]])).round(4).tolist()
    [[0.6931, 0.25]]
    """
    n, k = y_proba.shape
    chosen = y_proba[np.arange(n), y_true]
    epsilon = np.finfo(np.float64).eps
    log_loss = -np.log(np.clip(chosen, epsilon, 1 - epsilon))
    brier = np.sum(y_proba**2, axis=1) - 2 * chosen + 1
    return np.column_stack([log_loss, brier / 2 if k < 3 else brier])


def why_no_losses(data: Labelled) -> str | None:
    """Return why probabilities cannot be judged, or None when they can."""
    if data.scores is None or not data.is_probability:
        return "The model gives no probabilities."
    if not np.all((data.scores >= 0) & (data.scores <= 1)):
        return "Some probabilities are not numbers between 0 and 1."
    worst = float(np.max(np.abs(data.scores.sum(axis=1) - 1), initial=0.0))
    if worst > SUM_TOLERANCE:
        return f"The probabilities of a row do not sum to 1 (off by up to {worst:.3g})."
    return None


def why_no_ranking(data: Labelled, known: Codes) -> str | None:
    """Return why classes cannot be ranked, or None when they can."""
    if data.scores is None:
        return "The model gives neither probabilities nor scores."
    if not np.all(np.isfinite(data.scores)):
        return "Some scores are not finite numbers."
    present = np.unique(data.y_true[known])
    if present.size < 2:
        only = f"all are {data.labels[present[0]]!r}" if present.size else "there are none"
        return f"Two different labels are needed, {only}."
    return None


def score_metrics(data: Labelled, *, n_resamples: int, rng: np.random.Generator) -> list[Metric]:
    """Return the metrics of probabilities or scores, over the rows whose label the model knows.

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
        In the order of ``SCORE_METRICS``; without value, but with the reason, where undefined. The
        first two are one-vs-rest macro averages over the classes present unless one is positive.
    """
    known = np.flatnonzero(data.y_true < data.n_classes)
    reasons = dict.fromkeys(SCORE_METRICS, why_no_ranking(data, known))
    reasons |= dict.fromkeys(LOSSES, why_no_losses(data))
    wanted = [name for name in SCORE_METRICS if reasons[name] is None] if known.size else []
    estimates = {}
    if wanted:
        estimates = _score_estimates(data, known, wanted, n_resamples=n_resamples, rng=rng)
    baselines = _prior_scores(data, known) if known.size else {}
    return [
        Metric(
            name=name,
            estimate=estimates[name],
            baseline=baselines[name],
            baseline_name="the class shares",
            higher_is_better=higher_is_better(name),
        )
        if name in estimates
        else undefined_metrics((name,), reasons[name] or UNMATCHED)[0]
        for name in SCORE_METRICS
    ]


def _score_estimates(
    data: Labelled, known: Codes, wanted: list[str], *, n_resamples: int, rng: np.random.Generator
) -> dict[str, Estimate]:
    """Return values from all rows and intervals from resampling up to ``MAX_ROWS`` of them."""
    worth = data.worth
    every = _scorer(data, known, wanted)(worth[known][None])
    resampled_names = wanted
    if data.n_classes > MAX_RANKED_CLASSES:
        resampled_names = [name for name in wanted if name in LOSSES]
    max_rows = max(1000, bootstrap.MAX_ROWS // (1 if data.positive is not None else 2))
    subset = known[bootstrap.resampling_rows(known.size, rng, max_rows=max_rows)]
    intervals = bootstrap.subset_intervals(
        _scorer(data, subset, resampled_names),
        every,
        weights=worth[subset],
        n=known.size,
        n_resamples=n_resamples,
        rng=rng,
    )
    missing = Interval(reason=f"Not computed for more than {MAX_RANKED_CLASSES} classes.")
    estimates = {}
    for name in wanted:
        value, interval = float(every[name][0]), intervals.get(name, missing)
        if name not in LOSSES and value == 1.0:
            interval = Interval(reason="The classes are separated perfectly: no resample differs.")
        estimates[name] = interval.around(value, known.size)
    return estimates


def _scorer(
    data: Labelled, rows: Codes, wanted: list[str]
) -> Callable[[NDArray[np.floating]], dict[str, FloatArray]]:
    """Return the function from row weights (b, n) to metric values (b,) by name."""
    assert data.scores is not None  # noqa: S101 - callers ask only for what the reasons allow
    y_true, scores = data.y_true[rows], data.scores[rows]
    losses = probability_losses(y_true, scores) if set(wanted) & set(LOSSES) else None
    ranked = [] if set(wanted) <= set(LOSSES) else _ranked_classes(data)
    rankings = [Ranking(scores[:, label], y_true == label) for label in ranked]

    def score(weights: NDArray[np.floating]) -> dict[str, FloatArray]:
        found: dict[str, FloatArray] = {}
        if rankings:
            found["roc_auc"], found["average_precision"] = macro_areas(rankings, weights)
        if losses is not None:
            means = weights @ losses.astype(weights.dtype) / weights.sum(axis=1, keepdims=True)
            found["log_loss"], found["brier"] = means.T.astype(np.float64)
        return {name: found[name] for name in wanted}

    return score


def _ranked_classes(data: Labelled) -> list[int]:
    """Return the classes to rank against the rest: the positive one, or all."""
    return [data.positive] if data.positive is not None else list(range(data.n_classes))


def _prior_scores(data: Labelled, known: Codes) -> dict[str, float]:
    """Return the metrics of a model that answers the class shares for every row."""
    counts = np.bincount(data.y_true[known], data.worth[known], minlength=data.n_classes)
    shares = counts / counts.sum()
    present = shares[shares > 0]
    brier = 1 - float(np.sum(shares**2))
    positive = data.positive
    return {
        "roc_auc": 0.5,
        "average_precision": float(present.mean() if positive is None else shares[positive]),
        "log_loss": float(-np.sum(present * np.log(present))),
        "brier": brier / 2 if data.n_classes < 3 else brier,
    }
