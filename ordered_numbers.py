"""Figures of numbers that are in ascending order already, so that a column is sorted once for all.

Owns: ``quantiles``, ``median`` and ``count_distinct``. Each equals numpy's answer to the last bit,
which sorts or partitions anew for every question.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def quantiles(ordered: FloatArray, shares: FloatArray) -> FloatArray:
    """Return the quantiles of sorted numbers, as ``numpy.quantile`` does by default.

    Linear between the two neighbours (definition 7 of Hyndman & Fan 1996), from the nearer one.

    Parameters
    ----------
    ordered : ndarray of float, shape (n,)
        Ascending and finite, n >= 1.
    shares : ndarray of float, shape (k,)
        In [0, 1].

    Returns
    -------
    ndarray of float, shape (k,)

    Examples
    --------
    >>> quantiles(np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.75])).tolist()
    [1.0, 3.0]
    """
    last = ordered.size - 1
    places = last * shares
    below = places.astype(np.intp)
    low, high = ordered[below], ordered[np.minimum(below + 1, last)]
    part, gap = places - below, high - low
    found: FloatArray = np.where(part < 0.5, low + gap * part, high - gap * (1 - part))
    return found


def median(ordered: FloatArray) -> float:
    """Return the middle of sorted numbers, or the mean of the two in the middle; n >= 1.

    Examples
    --------
    >>> median(np.array([1.0, 2.0, 4.0, 9.0]))
    3.0
    """
    return float(ordered[(ordered.size - 1) // 2 : ordered.size // 2 + 1].mean())


def count_distinct(ordered: NDArray[Any]) -> int:
    """Return how many different values sorted numbers hold, none of them NaN.

    Examples
    --------
    >>> count_distinct(np.array([1, 1, 2])), count_distinct(np.array([]))
    (2, 0)
    """
    if not ordered.size:
        return 0
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))
