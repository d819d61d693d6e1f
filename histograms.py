"""Binned counts of numbers and labels, as the reports carry them.

Owns: the few ways an array becomes a ``Histogram``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from base_types import Histogram, Label
from ordered_numbers import quantiles

_QUARTILES = np.array([0.25, 0.75])

MAX_LABELS = 50
"""Most frequent labels shown by name; the others are counted together as ``(other)``."""


def number_histogram(
    values: ArrayLike, *, edges: NDArray[np.float64] | None = None, max_bins: int = 40
) -> Histogram:
    """Count finite numbers in equal bins (Freedman-Diaconis, at most ``max_bins``).

    Parameters
    ----------
    values : array_like of float, shape (n,)
        NaN and infinities are counted as missing.
    edges : ndarray, shape (k + 1,), optional
        Ascending bin edges to use instead; values outside are not counted.
    max_bins : int
        At least 1.

    Returns
    -------
    Histogram
        Empty when no finite value is left.

    Examples
    --------
    >>> number_histogram([1.0, 2.0, float("nan")], edges=np.array([0.0, 1.5, 3.0])).counts
    [1, 1]
    """
    numbers = np.asarray(values, dtype=np.float64).ravel()
    ordered = np.sort(numbers[np.isfinite(numbers)])
    counted = ordered_histogram(ordered, edges=edges, max_bins=max_bins)
    counted.n_missing = int(numbers.size - ordered.size)
    return counted


def ordered_histogram(
    ordered: NDArray[np.float64], *, edges: NDArray[np.float64] | None = None, max_bins: int = 40
) -> Histogram:
    """Return what ``number_histogram`` does of finite numbers in ascending order.

    Examples
    --------
    >>> ordered_histogram(np.array([1.0, 2.0, 3.0]), max_bins=2).counts
    [1, 2]
    """
    if ordered.size == 0:
        return Histogram()
    if edges is None:
        with np.errstate(over="ignore", invalid="ignore"):  # a range beyond floats: one bin
            edges = _equal_edges(ordered, max_bins)
    # every bin holds its lower edge, the last one its upper edge too
    places = np.searchsorted(ordered, edges, side="left")
    places[-1] = np.searchsorted(ordered, edges[-1], side="right")
    return Histogram(edges=edges.tolist(), counts=np.diff(places).tolist())


def _equal_edges(ordered: NDArray[np.float64], max_bins: int) -> NDArray[np.float64]:
    """Return Freedman-Diaconis edges; two quartiles decide, so outliers do not."""
    low, high = float(ordered[0]), float(ordered[-1])
    lower, upper = quantiles(ordered, _QUARTILES)
    width = 2.0 * (upper - lower) / ordered.size ** (1 / 3)
    if not high > low:
        return np.array([low - 0.5, high + 0.5])
    if not np.isfinite(high - low):
        return np.array([low, high])
    ratio = (high - low) / width if width > 0 else float(max_bins)
    n_bins = int(np.clip(np.ceil(min(ratio, max_bins)), 1, max_bins))
    edges = np.linspace(low, high, n_bins + 1)
    # A range below the resolution of floats cannot be cut: one bin holds it all.
    return edges if np.all(np.diff(edges) > 0) else np.array([low, high])


def label_histogram(codes: NDArray[np.int64], labels: Sequence[Label | str]) -> Histogram:
    """Count labels given as positions; -1 is missing.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Positions in ``labels``.
    labels : sequence, length k
        In the order to show; beyond ``MAX_LABELS`` the rarest are counted as ``(other)``.

    Examples
    --------
    >>> label_histogram(np.array([0, 1, 1, -1]), ["no", "yes"]).counts
    [1, 2]
    """
    counts = np.bincount(codes[codes >= 0], minlength=len(labels))
    names = [str(label) for label in labels]
    n_missing = int(np.sum(codes < 0))
    if len(names) <= MAX_LABELS:
        return Histogram(labels=names, counts=counts.tolist(), n_missing=n_missing)
    kept = np.sort(np.argsort(-counts, kind="stable")[:MAX_LABELS])
    other = int(counts.sum() - counts[kept].sum())
    return Histogram(
        labels=[*(names[i] for i in kept), "(other)"],
        counts=[*counts[kept].tolist(), other],
        n_missing=n_missing,
    )


def value_histogram(values: NDArray[Any]) -> Histogram:
    """Count the distinct values of an array of labels, in ascending order of their text.

    Examples
    --------
    >>> value_histogram(np.array(["no", "yes", "no"])).counts
    [2, 1]
    """
    names, codes = np.unique([str(value) for value in values], return_inverse=True)
    return label_histogram(codes.astype(np.int64), names.tolist())
