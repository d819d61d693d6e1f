"""Beyond metrics: a test of calibration, gain and lift, the cheapest threshold, residuals.

Owns: ``spiegelhalter``, ``gain_table``, ``cheapest_threshold``, ``residual_trends``.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr

from drift_tests import benjamini_hochberg
from quality_types import CalibrationTest, CostThreshold, GainPoint, ResidualTrend

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
N_GROUPS = 10
MIN_ROWS = 20
MAX_TRENDS = 30


def spiegelhalter(
    confidence: FloatArray, is_right: BoolArray, weights: FloatArray | None = None
) -> CalibrationTest | None:
    """Test whether stated probabilities are the true ones (Spiegelhalter 1986).

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
        Stated probability, in [0, 1].
    is_right : ndarray of bool, shape (n,)
        Whether it came so.
    weights : ndarray of float, shape (n,), optional
        What each row counts for, > 0. A row of weight 2 is still one observation, so that weights
        enter the variance squared.

    Returns
    -------
    CalibrationTest or None
        ``z = sum(w (y - p)(1 - 2p)) / sqrt(sum(w^2 (1 - 2p)^2 p (1 - p)))``, standard normal for
        true probabilities; None where every probability is 0, 1/2 or 1, which cannot be tested.

    Examples
    --------
    >>> spiegelhalter(np.array([0.9] * 10), np.array([True] * 9 + [False])).z
    0.0
    """
    weight = (1.0 - 2.0 * confidence) * (1.0 if weights is None else weights)
    variance = float(np.sum(weight**2 * confidence * (1.0 - confidence)))
    if variance <= 0:
        return None
    z = float(np.sum((is_right - confidence) * weight)) / math.sqrt(variance)
    z = 0.0 if abs(z) < 1e-12 else z
    return CalibrationTest(z=z, p_value=float(2 * ndtr(-abs(z))), n=confidence.size)


def gain_table(
    score: FloatArray, is_positive: BoolArray, weights: FloatArray | None = None
) -> list[GainPoint]:
    """Return what flagging the rows with the highest scores finds.

    Parameters
    ----------
    score : ndarray of float, shape (n,)
        Rows of equal score are flagged in the order they come in.
    is_positive : ndarray of bool, shape (n,)
    weights : ndarray of float, shape (n,), optional
        What each row counts for, > 0.

    Returns
    -------
    list of GainPoint
        At 1, 5, 10, 20 … 100 % of the rows, or of their weight; empty without any positive.

    Examples
    --------
    >>> points = gain_table(np.array([0.9, 0.8, 0.2, 0.1]), np.array([True, False, True, False]))
    >>> points[-1].recall, points[-1].lift
    (1.0, 1.0)
    """
    order = np.argsort(-score, kind="stable")
    worth = np.ones(score.size) if weights is None else weights[order]
    flagged = np.concatenate([[0.0], np.cumsum(worth)])
    hits = np.concatenate([[0.0], np.cumsum(worth * is_positive[order])])
    total, n_positive = float(flagged[-1]), float(hits[-1])
    if n_positive == 0:
        return []
    points = []
    for share in SHARES:
        # whole rows without weights; with them, the row on the edge counts by the part inside
        n_flagged = max(1, round(share * total)) if weights is None else share * total
        found = float(np.interp(n_flagged, flagged, hits))
        precision = found / n_flagged
        lift = precision * total / n_positive
        recall = found / n_positive
        points.append(GainPoint(share_flagged=share, recall=recall, precision=precision, lift=lift))
    return points


def cheapest_threshold(
    score: FloatArray,
    is_positive: BoolArray,
    *,
    false_positive: float,
    false_negative: float,
    weights: FloatArray | None = None,
) -> CostThreshold:
    """Find the threshold of lowest cost among all that differ on these rows.

    Parameters
    ----------
    score : ndarray of float, shape (n,)
        P(positive); a row is flagged when it is at least the threshold.
    is_positive : ndarray of bool, shape (n,)
    false_positive, false_negative : float
        Cost of each mistake, >= 0 and not both 0.
    weights : ndarray of float, shape (n,), optional
        What each row counts for, > 0; the cost is then per unit of weight.

    Returns
    -------
    CostThreshold
        The lowest cost found on the rows it was chosen on flatters a little.

    Examples
    --------
    >>> score, truth = np.array([0.9, 0.6, 0.4, 0.1]), np.array([True, False, True, False])
    >>> cheapest_threshold(score, truth, false_positive=1, false_negative=5).threshold
    0.25
    """
    n = score.size
    order = np.argsort(score, kind="stable")
    ordered, positive = score[order], is_positive[order]
    worth = np.ones(n) if weights is None else weights[order]
    # rows before the cut are not flagged
    missed = np.concatenate([[0.0], np.cumsum(worth * positive)])
    alarms = np.concatenate([np.cumsum((worth * ~positive)[::-1])[::-1], [0.0]])
    costs = (false_positive * alarms + false_negative * missed) / worth.sum()
    cuts = np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])
    best = int(np.flatnonzero(cuts)[np.argmin(costs[cuts])])
    # halfway to the next lower score, so that new rows near the edge fall where they belong
    below = ordered[best - 1] if best > 0 else 0.0
    above = ordered[best] if best < n else 1.0
    return CostThreshold(
        threshold=float((below + above) / 2) if 0 < best < n else float(best == n),
        cost_per_row=float(costs[best]),
        cost_at_half=float(costs[np.searchsorted(ordered, 0.5)]),
        cost_of_all=float(costs[0]),
        cost_of_none=float(costs[-1]),
        false_positive=false_positive,
        false_negative=false_negative,
        theoretical=false_positive / (false_positive + false_negative),
    )


def residual_trends(
    frame: pd.DataFrame, y_pred: FloatArray, residual: FloatArray
) -> list[ResidualTrend]:
    """Look for dependence of a regression's errors on its prediction and its numeric inputs.

    Parameters
    ----------
    frame : DataFrame, shape (n, k)
        Inputs.
    y_pred, residual : ndarray of float, shape (n,)
        NaN residuals are left out.

    Returns
    -------
    list of ResidualTrend
        The prediction first, then at most 29 columns, by p-value.

    Examples
    --------
    >>> y_pred = np.linspace(0, 1, 200)
    >>> trends = residual_trends(pd.DataFrame({"age": y_pred}), y_pred, y_pred**2)
    >>> trends[0].p_value < 0.001
    True
    """
    numeric = [str(name) for name in frame.columns if frame[name].dtype.kind in "iuf"]
    columns = {name: frame[name].to_numpy(dtype=np.float64) for name in numeric[: MAX_TRENDS - 1]}
    found = [_trend("prediction", y_pred, residual)]
    found += [_trend(name, values, residual) for name, values in columns.items()]
    trends = [trend for trend in found if trend is not None]
    if not trends:
        return []
    adjusted = benjamini_hochberg([trend.p_value for trend in trends]).tolist()
    for trend, p_value in zip(trends, adjusted, strict=True):
        trend.p_adjusted = p_value
    return sorted(trends, key=lambda trend: (trend.against != "prediction", trend.p_value))


def _trend(name: str, values: FloatArray, residual: FloatArray) -> ResidualTrend | None:
    kept = np.isfinite(values) & np.isfinite(residual)
    x, y = values[kept], residual[kept]
    if x.size < MIN_ROWS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    correlation = _rank_correlation(x, y)
    t = correlation * math.sqrt((x.size - 2) / max(1e-12, 1 - correlation**2))
    p_value = float(2 * stdtr(x.size - 2, -abs(t)))
    size = _rank_correlation(x, np.abs(y)) if np.ptp(np.abs(y)) > 0 else 0.0
    groups = np.array_split(np.argsort(x, kind="stable"), N_GROUPS)
    means = [(_mean(x[rows]), _mean(y[rows])) for rows in groups]
    return ResidualTrend(
        against=name,
        correlation=correlation,
        p_value=p_value,
        p_adjusted=p_value,
        size_correlation=size,
        means=means,
    )


def _mean(values: FloatArray) -> float:
    """Return the mean, also where the sum is larger than any number."""
    with np.errstate(over="ignore"):
        mean = float(values.mean())
    return mean if math.isfinite(mean) else float((values / values.size).sum())


def _rank_correlation(x: FloatArray, y: FloatArray) -> float:
    ranks = pd.DataFrame({"x": x, "y": y}).rank().to_numpy()
    return float(np.corrcoef(ranks[:, 0], ranks[:, 1])[0, 1])
