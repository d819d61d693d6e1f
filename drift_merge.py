"""Two samples of numbers put on one axis, and every sum over it that a statistic needs.

Owns: ``merge`` and ``Merged``; ``drift_merge_many`` does the same for many short samples at once.
Each column is sorted once (``numpy.sort``), ``drift_order`` joins two sorted samples, and the
statistics of ``drift_tests`` are read from the sums alone.

All of them come from one walk along the merged values: it starts at 0, goes up by n at each current
value, down by m at each reference value and ends at 0. After any value it is ``n m (G - F)``, F and
G the distribution functions of reference and current, and as a whole number it is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np

from drift_order import BLOCK, Floats, Integers, blocks, in_order, runs

_Number = TypeVar("_Number", float, Floats)

_ONES = np.ones(BLOCK)
_MIDDLES: Floats = np.arange(BLOCK, dtype=np.float64) + 0.5
"""Mid-ranks of values that are all different."""


class _Edge(NamedTuple):
    """The last distinct value so far, the walk after it, and how many values are up to it."""

    value: float
    walk: float
    rank: float


class _Stretch(NamedTuple):
    """The next distinct values, with the walk and the ranks counted from the one before them."""

    values: Floats
    after: Integers
    ties: Floats
    middle: Floats


class Merged:
    """Two sorted samples and every sum over their merged order that a statistic needs.

    Sums run over the distinct pooled values, block by block, so that intermediate arrays stay in
    the processor's cache; most of the time would otherwise go into fetching fresh memory. With t
    the ties of a value, w the walk after it, w' the walk before it and u its pooled mid-rank less
    (N + 1) / 2:

    Attributes
    ----------
    reference, current : ndarray of float, shapes (n,) and (m,)
        The samples, ascending.
    n, m, total : float
        Their sizes and the sum N of both.
    n_distinct : int
        Distinct pooled values.
    largest_gap, area, squared_area : float
        ``max |F - G|``, ``∫ |F - G| dx`` and ``∫ (F - G)² dx``.
    cramer : float
        ``Σ t (w² + w'²) / 2`` and ``(n - m) / 12 Σ (t² - 1) ((n - m) t - 3 (w - w'))``: what the
        squared differences of pooled and own mid-ranks come to, free of their cancellation.
    tail_weighted : float
        ``Σ t ((w + w') / 2)² / (B (N - B) - N t / 4)``, B = u + N / 2 the values below.
    current_rank, current_square : float
        Sum of u over the current sample; that of u² less m / N of the pooled one.
    pooled_square, pooled_fourth : float
        Sums of u² and u⁴ over both samples.
    """

    def __init__(self, reference: Floats, current: Floats) -> None:
        self.reference, self.current = reference, current
        self.n, self.m = float(len(reference)), float(len(current))
        self.total = self.n + self.m
        self.n_distinct = 0
        self.largest_gap = self.area = self.squared_area = 0.0
        self.cramer = self.tail_weighted = 0.0
        self.current_rank = self.current_square = 0.0
        self.pooled_square = square_sum(self.total)
        self.pooled_fourth = fourth_sum(self.total)

    def walk(self) -> None:
        """Walk along both samples and add up."""
        last = _Edge(float(min(self.reference[0], self.current[0])), 0.0, 0.0)
        for stretch in self._stretches():
            last = self._add(stretch, last)

    def _stretches(self) -> Iterator[_Stretch]:
        """Walk along both samples, value by value or, where most are repeated, count by count."""
        n, m = len(self.reference), len(self.current)
        old, new = runs(self.reference), runs(self.current)
        if old and new:
            values = np.concatenate((old[0], new[0]))
            order = values.argsort(kind="stable")
            moves = np.concatenate((old[1] * -m, new[1] * n))[order]
            ranks = np.concatenate((old[1], new[1]))[order].cumsum()
            yield _distinct(values[order], moves.cumsum(), ranks)
            return
        for block in blocks(self.reference, self.current):
            values, moves = in_order(*block)
            moves *= n + m
            moves -= m
            after = moves.cumsum()
            if (values[1:] != values[:-1]).all():
                k = len(values)
                yield _Stretch(values, after, _ONES[:k], _MIDDLES[:k])
            else:
                yield _distinct(values, after, np.arange(1, len(values) + 1))

    def _add(self, stretch: _Stretch, last: _Edge) -> _Edge:
        """Add the next values to every sum."""
        values, after, ties, middle = stretch
        walk = np.empty(len(values) + 1)
        walk[0] = last.walk
        np.add(after, last.walk, out=walk[1:])
        offset = middle + (last.rank - self.total / 2)
        n_values = float(middle[-1] + ties[-1] / 2)
        self.n_distinct += len(values)
        self._add_areas(walk[:-1], steps(values, last.value))
        if n_values > len(values):
            self._add_tied_ranks(walk, ties, offset)
        else:
            self._add_single_ranks(walk, offset)
        return _Edge(float(values[-1]), float(walk[-1]), last.rank + n_values)

    def _add_areas(self, before: Floats, widths: Floats) -> None:
        scale = self.n * self.m
        heights = np.abs(before)
        self.largest_gap = max(self.largest_gap, float(heights.max()) / scale)
        self.area += float(heights.dot(widths)) / scale
        squares = np.multiply(heights, heights, out=heights)
        self.squared_area += float(squares.dot(widths)) / scale**2

    def _add_single_ranks(self, walk: Floats, offset: Floats) -> None:
        """Add to the sums over ranks where every t is 1, with the least work."""
        before, ones = walk[:-1], _ONES[: len(offset)]
        first, end = float(walk[0]), float(walk[-1])
        height = float(before.dot(ones))
        self.current_rank -= (height + (end - first) / 2) / self.total
        self.cramer += float(before.dot(before)) + (end * end - first * first) / 2
        # Σ (w - w') u² by parts: neighbouring u² differ by 2 u - 1
        ends = end * float(offset[-1]) ** 2 - first * (float(offset[0]) - 1) ** 2
        self.current_square += (ends + height - 2 * float(before.dot(offset))) / self.total
        self._add_tails(walk, ones, self.total - 1, offset)

    def _add_tied_ranks(self, walk: Floats, ties: Floats, offset: Floats) -> None:
        moved, middle = walk[1:] - walk[:-1], (walk[1:] + walk[:-1]) / 2
        self.current_rank -= float(middle.dot(ties)) / self.total
        self.current_square += float(moved.dot(offset * offset)) / self.total
        # (w² + w'²) / 2 is the square of their mean and a quarter of that of their difference
        self.cramer += float((middle * middle + moved * moved / 4).dot(ties))
        more = self.n - self.m
        self.cramer += more / 12 * float((ties * ties - 1).dot(more * ties - 3 * moved))
        squares = square_sum(ties)
        self.pooled_square -= float(squares.sum())
        self.pooled_fourth -= float((fourth_sum(ties) + 6 * offset * offset * squares).sum())
        if ties[0] < self.total:
            self._add_tails(walk, ties, self.total - ties, offset)

    def _add_tails(
        self, walk: Floats, ties: Floats, others: Floats | float, offset: Floats
    ) -> None:
        middle = walk[1:] + walk[:-1]
        np.multiply(middle, middle, out=middle)
        square = np.multiply(offset, offset, out=offset)
        middle /= np.subtract(self.total / 4 * others, square, out=square)
        self.tail_weighted += float(middle.dot(ties)) / 4


def _distinct(values: Floats, after: Integers, ranks: Integers) -> _Stretch:
    """Keep of equal values the last one, with the walk after it and the rank that it reaches."""
    ends = np.append(values[1:] != values[:-1], True).nonzero()[0]
    ties = steps(ranks[ends].astype(np.float64))
    return _Stretch(values[ends], after[ends], ties, ranks[ends] - ties / 2)


def square_sum(n: _Number) -> _Number:
    """Return the sum of squares of n neighbouring ranks around their mean."""
    return n * (n * n - 1) / 12


def fourth_sum(n: _Number) -> _Number:
    """Return the sum of fourth powers of n neighbouring ranks around their mean."""
    return square_sum(n) * (3 * n * n - 7) / 20


def steps(values: Floats, before: float = 0.0) -> Floats:
    """Return the differences of neighbours, the first one to ``before`` (a lean ``np.diff``)."""
    differences = np.empty_like(values)
    differences[0] = values[0] - before
    np.subtract(values[1:], values[:-1], out=differences[1:])
    return differences


def merge(reference: Floats, current: Floats) -> Merged:
    """Put two samples on one axis in a single pass.

    Parameters
    ----------
    reference, current : ndarray of float, shapes (n,) and (m,)
        Sorted ascending, finite, neither empty.

    Returns
    -------
    Merged
        All sums over the merged order.

    Raises
    ------
    ValueError
        If a sample is empty.

    Examples
    --------
    >>> merge(np.array([1.0, 2.0]), np.array([2.0])).area
    0.5
    """
    if not len(reference) or not len(current):
        msg = f"both samples need values, got {len(reference)} and {len(current)}"
        raise ValueError(msg)
    merged = Merged(reference, current)
    merged.walk()
    return merged
