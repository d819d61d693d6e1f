"""Area under the ROC and the precision-recall curve, for many resamples at once.

Owns: the sorted, tie-aware form of scores from which both areas follow for any row weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Ranking:
    """Scores of one class against the rest, sorted once.

    Parameters
    ----------
    scores : ndarray of float, shape (n,)
        Higher means more likely positive; finite.
    is_positive : ndarray of bool, shape (n,)
    """

    def __init__(self, scores: FloatArray, is_positive: BoolArray) -> None:
        self.order = np.argsort(-scores, kind="stable")
        ordered = scores[self.order]
        self.positive = is_positive[self.order]
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self.has_ties = self.starts.size < ordered.size

    def areas(self, weights: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
        """Return ROC AUC and average precision for each row of weights.

        ``AUC = sum_g N_g (TP_(g-1) + P_g / 2) / (P N)`` (Mann-Whitney with half credit for ties)
        and ``AP = sum_g (P_g / P) TP_g / (TP_g + FP_g)`` over groups g of equal scores, from the
        highest down, as in scikit-learn.

        Parameters
        ----------
        weights : ndarray of float, shape (b, n)
            In the order of the scores given to the constructor.

        Returns
        -------
        tuple of ndarray, shape (b,)
            NaN where a class has no weight.

        Examples
        --------
        >>> ranking = Ranking(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]))
        >>> area, average_precision = ranking.areas(np.ones((1, 3)))
        >>> area.tolist(), average_precision.round(4).tolist()
        ([0.5], [0.8333])
        """
        ordered = weights[:, self.order]
        positive = ordered * self.positive.astype(weights.dtype)
        if self.has_ties:
            ordered = np.add.reduceat(ordered, self.starts, axis=1)
            positive = np.add.reduceat(positive, self.starts, axis=1)
        return _areas(ordered, positive)


def _areas(total: NDArray[Any], positive: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
    """Return both areas from the weights per group of equal scores, best group first."""
    true_positive = np.cumsum(positive, axis=1)
    flagged = np.cumsum(total, axis=1)
    n_positive = true_positive[:, -1].astype(np.float64)
    n_negative = flagged[:, -1].astype(np.float64) - n_positive
    precision = true_positive / np.maximum(flagged, np.finfo(np.float32).tiny)
    half_credit = true_positive - positive / 2
    wins = np.einsum("bg,bg->b", total - positive, half_credit, dtype=np.float64)
    gain = np.einsum("bg,bg->b", positive, precision, dtype=np.float64)
    defined = (n_positive > 0) & (n_negative > 0)
    area = np.full(n_positive.shape, np.nan)
    average_precision = np.full(n_positive.shape, np.nan)
    np.divide(wins, n_positive * n_negative, out=area, where=defined)
    np.divide(gain, n_positive, out=average_precision, where=defined)
    return area, average_precision


def macro_areas(
    rankings: Sequence[Ranking], weights: NDArray[Any]
) -> tuple[FloatArray, FloatArray]:
    """Return both areas averaged over the classes that are present in each resample.

    Parameters
    ----------
    rankings : sequence of Ranking
        One per class, each against the rest.
    weights : ndarray of float, shape (b, n)

    Returns
    -------
    tuple of ndarray, shape (b,)
        NaN where no class is defined.
    """
    areas = np.array([ranking.areas(weights) for ranking in rankings])  # (k, 2, b)
    defined = np.isfinite(areas)
    n_defined = defined.sum(axis=0)
    mean = np.full(n_defined.shape, np.nan)
    np.divide(np.where(defined, areas, 0.0).sum(axis=0), n_defined, out=mean, where=n_defined > 0)
    return mean[0], mean[1]
