"""Curves, calibration and thresholds of a classifier's probabilities.

Owns: ROC and precision-recall curves thinned for drawing, calibration bins with their expected
calibration error and what of it is noise, and the table of decision thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bootstrap import FloatArray
from intervals import wilson_interval
from report_types import CalibrationBin, Curve, ThresholdPoint

MAX_POINTS = 200
"""Points of a curve; more cannot be seen on a screen."""

MAX_CURVES = 10
"""Classes that get a curve of their own."""

N_CALIBRATION_BINS = 10
"""Equal bins over [0, 1] (Guo et al. 2017 use 15 on larger data)."""

THRESHOLDS = np.linspace(0.05, 0.95, 19)
"""Decision thresholds in the table."""


def ranking_curves(
    name: str,
    scores: FloatArray,
    is_positive: NDArray[np.bool_],
    weights: FloatArray | None = None,
) -> tuple[Curve, Curve]:
    """Return the ROC and the precision-recall curve of one class against the rest.

    Parameters
    ----------
    name : str
        Label of the curves.
    scores : ndarray of float, shape (n,)
        Higher means more likely positive; finite.
    is_positive : ndarray of bool, shape (n,)
        Both values must occur.
    weights : ndarray of float, shape (n,), optional
        What each row counts for, > 0.

    Returns
    -------
    tuple of Curve
        (false positive rate, true positive rate) from (0, 0), and (recall, precision) from recall
        0; at most ``MAX_POINTS`` points each, all of them points of the full curve.

    Examples
    --------
    >>> roc, _ = ranking_curves("yes", np.array([0.9, 0.8, 0.1]), np.array([True, True, False]))
    >>> roc.x, roc.y
    ([0.0, 0.0, 0.0, 1.0], [0.0, 0.5, 1.0, 1.0])
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])  # of each group of ties
    worth = np.ones(scores.size) if weights is None else weights[order]
    flagged = np.cumsum(worth)[last]
    true_positive = np.cumsum(worth * is_positive[order])[last]
    false_positive = flagged - true_positive
    recall = true_positive / true_positive[-1]
    fall_out = false_positive / false_positive[-1]
    precision = true_positive / flagged
    thresholds = ordered[last]
    roc = _curve(name, np.r_[0.0, fall_out], np.r_[0.0, recall], np.r_[np.inf, thresholds])
    return roc, _curve(name, np.r_[0.0, recall], np.r_[1.0, precision], np.r_[np.inf, thresholds])


def _curve(name: str, x: FloatArray, y: FloatArray, thresholds: FloatArray) -> Curve:
    """Thin a curve to ``MAX_POINTS``, evenly along its length."""
    kept = _thinned(x, y)
    return Curve(
        name=name,
        x=x[kept].tolist(),
        y=y[kept].tolist(),
        thresholds=[float(t) if np.isfinite(t) else None for t in thresholds[kept]],
    )


def _thinned(x: FloatArray, y: FloatArray) -> NDArray[np.int64]:
    """Return at most ``MAX_POINTS`` positions, the first and the last among them."""
    if x.size <= MAX_POINTS:
        return np.arange(x.size)
    length = np.cumsum(np.r_[0.0, np.abs(np.diff(x)) + np.abs(np.diff(y))])
    wanted = np.linspace(0.0, length[-1], MAX_POINTS)
    kept = np.searchsorted(length, wanted)
    kept[-1] = x.size - 1
    return np.unique(kept).astype(np.int64)


def calibration(
    confidence: FloatArray, is_right: NDArray[np.bool_], weights: FloatArray | None = None
) -> tuple[list[CalibrationBin], float]:
    """Return calibration bins and the expected calibration error.

    ``ECE = sum_b n_b / n |mean confidence_b - share right_b|`` over equal bins of the confidence
    (Naeini et al. 2015).

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
        P(positive) for two classes, the largest probability for more; in [0, 1], n >= 1.
    is_right : ndarray of bool, shape (n,)
        Whether the row is positive, or whether the most likely class is the true one.
    weights : ndarray of float, shape (n,), optional
        What each row counts for, > 0; the bins' intervals then rest on the effective number of
        rows, ``sum(w)^2 / sum(w^2)`` (Kish 1965).

    Returns
    -------
    tuple
        Non-empty bins in ascending order, and the error in [0, 1].
    """
    bins = np.minimum((confidence * N_CALIBRATION_BINS).astype(np.int64), N_CALIBRATION_BINS - 1)
    worth = np.ones(confidence.size) if weights is None else weights

    def per_bin(values: FloatArray) -> FloatArray:
        sums: FloatArray = np.bincount(bins, values, minlength=N_CALIBRATION_BINS)[used].astype(
            float
        )
        return sums

    counts = np.bincount(bins, minlength=N_CALIBRATION_BINS)
    used = counts > 0
    total = per_bin(worth)
    predicted, observed = per_bin(worth * confidence) / total, per_bin(worth * is_right) / total
    effective = total**2 / per_bin(worth**2)
    low, high = wilson_interval(observed * effective, effective)
    error = float(np.sum(total * np.abs(predicted - observed)) / worth.sum())
    columns = zip(counts[used], predicted, observed, low, high, strict=True)
    return [
        CalibrationBin(n=int(size), predicted=p, observed=o, low=lower, high=upper)
        for size, p, o, lower, upper in columns
    ], error


def calibration_noise(bins: Sequence[CalibrationBin]) -> float:
    """Return the expected calibration error that true probabilities stay under in 95 of 100 tests.

    In a bin of n rows the observed share of true probabilities near p errs by about
    ``s = sqrt(p (1 - p) / n)``; the error is the weighted sum of such half-normal numbers, with
    means ``s sqrt(2 / pi)`` and variances ``s^2 (1 - 2 / pi)``.

    Parameters
    ----------
    bins : sequence of CalibrationBin
        As ``calibration`` returns them.

    Returns
    -------
    float
        In [0, 1]; 0 without bins. About 0.2 for 20 rows, 0.03 for 1,000.
    """
    n = np.array([each.n for each in bins], dtype=np.float64)
    p = np.array([each.predicted for each in bins], dtype=np.float64)
    parts = n / max(1.0, float(n.sum())) * np.sqrt(p * (1 - p) / np.maximum(n, 1.0))
    mean = math.sqrt(2 / math.pi) * float(parts.sum())
    spread = math.sqrt((1 - 2 / math.pi) * float(np.sum(parts**2)))
    return min(1.0, mean + 1.645 * spread)


def threshold_table(
    y_score: FloatArray, is_positive: NDArray[np.bool_], weights: FloatArray | None = None
) -> list[ThresholdPoint]:
    """Return what a binary classifier does at each of ``THRESHOLDS``.

    Parameters
    ----------
    y_score : ndarray of float, shape (n,)
        P(positive); a row is flagged when it is at least the threshold.
    is_positive : ndarray of bool, shape (n,)
    weights : ndarray of float, shape (n,), optional
        What each row counts for, > 0.

    Examples
    --------
    >>> points = threshold_table(np.array([0.9, 0.4, 0.1]), np.array([True, False, False]))
    >>> next(point for point in points if point.threshold == 0.5).precision
    1.0
    """
    worth = np.ones(y_score.size) if weights is None else weights
    n_positive = float(worth[is_positive].sum())
    flagged = (y_score[:, None] >= THRESHOLDS) * worth[:, None]
    n_flagged = flagged.sum(axis=0)
    hits = flagged[is_positive].sum(axis=0)
    return [
        ThresholdPoint(
            threshold=round(float(threshold), 2),
            precision=hit / count if count else None,
            recall=hit / n_positive if n_positive else None,
            f1=2 * hit / (count + n_positive) if count + n_positive else None,
            predicted_positive_share=count / float(worth.sum()),
        )
        for threshold, count, hit in zip(THRESHOLDS, n_flagged.tolist(), hits.tolist(), strict=True)
    ]
