"""Curves, calibration and thresholds of a classifier's probabilities.

Owns: ROC and precision-recall curves thinned for drawing, calibration bins with their expected
calibration error, and the table of decision thresholds.
"""

from __future__ import annotations

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
    name: str, scores: FloatArray, is_positive: NDArray[np.bool_]
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

    Returns
    -------
    tuple of Curve
        (false positive rate, true positive rate) from (0, 0), and (recall, precision) from recall
        0; at most ``MAX_POINTS`` points each, all of them points of the full curve.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])  # of each group of ties
    true_positive = np.cumsum(is_positive[order])[last].astype(np.float64)
    false_positive = last + 1 - true_positive
    recall = true_positive / true_positive[-1]
    fall_out = false_positive / false_positive[-1]
    precision = true_positive / (last + 1)
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
    confidence: FloatArray, is_right: NDArray[np.bool_]
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

    Returns
    -------
    tuple
        Non-empty bins in ascending order, and the error in [0, 1].
    """
    bins = np.minimum((confidence * N_CALIBRATION_BINS).astype(np.int64), N_CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=N_CALIBRATION_BINS)
    used = counts > 0
    n = counts[used]
    predicted = np.bincount(bins, confidence, minlength=N_CALIBRATION_BINS)[used] / n
    hits = np.bincount(bins, is_right, minlength=N_CALIBRATION_BINS)[used]
    low, high = wilson_interval(hits, n)
    error = float(np.sum(n * np.abs(predicted - hits / n)) / confidence.size)
    columns = zip(n, predicted, hits / n, low, high, strict=True)
    return [
        CalibrationBin(n=int(size), predicted=p, observed=o, low=lower, high=upper)
        for size, p, o, lower, upper in columns
    ], error


def threshold_table(y_score: FloatArray, is_positive: NDArray[np.bool_]) -> list[ThresholdPoint]:
    """Return what a binary classifier does at each of ``THRESHOLDS``.

    Parameters
    ----------
    y_score : ndarray of float, shape (n,)
        P(positive); a row is flagged when it is at least the threshold.
    is_positive : ndarray of bool, shape (n,)
    """
    n_positive = int(is_positive.sum())
    flagged = y_score[:, None] >= THRESHOLDS
    n_flagged = flagged.sum(axis=0)
    hits = flagged[is_positive].sum(axis=0)
    return [
        ThresholdPoint(
            threshold=round(float(threshold), 2),
            precision=hit / count if count else None,
            recall=hit / n_positive if n_positive else None,
            f1=2 * hit / (count + n_positive) if count + n_positive else None,
            predicted_positive_share=count / y_score.size,
        )
        for threshold, count, hit in zip(THRESHOLDS, n_flagged.tolist(), hits.tolist(), strict=True)
    ]
