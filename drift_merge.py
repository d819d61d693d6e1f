"""Two samples of numbers put on one axis, and every sum over it that a statistic needs.

Owns: ``merge`` and ``Merged``. Each column is sorted once (``numpy.sort``); two sorted samples are
joined in one linear pass, and the statistics of ``drift_tests`` are read from the sums alone.

All of them come from one walk along the merged values: it starts at 0, goes up by n at each current
value, down by m at each reference value and ends at 0. After any value it is ``n m (G - F)``, F and
G the distribution functions of reference and current, and as a whole number it is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK = 20_000
"""Values per block: a handful of arrays of them fits into the processor's inner caches, and the
calls of numpy cost little beside the work (measured: 5,000 takes half as long again)."""


class _Edge(NamedTuple):
    """The last distinct value so far, the walk after it, and how many values are up to it."""

    value: float
    walk: float
    rank: float


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
        self.pooled_square = self.pooled_fourth = 0.0
        last = _Edge(float(min(reference[0], current[0])), 0.0, 0.0)
        for old, new in _blocks(reference, current):
            last = self._add_block(old, new, last)

    def _add_block(self, reference: Floats, current: Floats, last: _Edge) -> _Edge:
        """Add the next values of both to every sum."""
        values, walk, rank = self._walk(reference, current, last)
        self.n_distinct += len(values)
        ties = steps(rank, last.rank)
        self._add_areas(walk[:-1], steps(values, last.value))
        self._add_ranks(walk, ties, rank)
        if rank[-1] - last.rank > len(values):
            self._add_ties(walk, ties)
        return _Edge(float(values[-1]), float(walk[-1]), float(rank[-1]))

    def _walk(
        self, reference: Floats, current: Floats, last: _Edge
    ) -> tuple[Floats, Floats, Floats]:
        """Return the k distinct values, the walk (k + 1, first before them), the pooled counts."""
        values = np.concatenate((reference, current))
        # a stable argsort of two sorted runs is one merge of them (timsort), linear in n + m
        order = values.argsort(kind="stable")
        values = values.take(order)
        moves = np.full(len(values), len(self.reference))
        moves[: len(reference)] = -len(self.current)
        after = moves.take(order).cumsum()
        rank = np.arange(last.rank + 1, last.rank + len(values) + 1)
        ends = values[1:] != values[:-1]
        if not ends.all():
            ends = np.append(ends, True)
            values, after, rank = values[ends], after[ends], rank[ends]
        walk = np.empty(len(values) + 1)
        walk[0] = last.walk
        np.add(after, last.walk, out=walk[1:])
        return values, walk, rank

    def _add_areas(self, before: Floats, widths: Floats) -> None:
        scale = self.n * self.m
        heights = before / scale
        squares = heights * heights
        self.squared_area += float(squares.dot(widths))
        np.abs(heights, out=heights)
        self.largest_gap = max(self.largest_gap, float(heights.max()))
        self.area += float(heights.dot(widths))

    def _add_ranks(self, walk: Floats, ties: Floats, rank: Floats) -> None:
        middle = walk[1:] + walk[:-1]
        self.current_rank -= float(middle.dot(ties)) / (2 * self.total)
        np.multiply(middle, middle, out=middle)
        half = ties / 2
        offset = rank - half
        offset -= self.total / 2
        square = np.multiply(offset, offset, out=offset)
        moved = walk[1:] - walk[:-1]
        self.current_square += float(moved.dot(square)) / self.total
        np.multiply(moved, moved, out=moved)
        weighted = ties * square
        self.pooled_square += float(weighted.sum())
        self.pooled_fourth += float(weighted.dot(square))
        # w² + w'² is half of (w + w')² + (w - w')²
        self.cramer += float(middle.dot(ties) + moved.dot(ties)) / 4
        if ties[0] < self.total:
            half *= -self.total / 2
            half += self.total**2 / 4
            half -= square
            middle /= half
            self.tail_weighted += float(middle.dot(ties)) / 4

    def _add_ties(self, walk: Floats, ties: Floats) -> None:
        more = self.n - self.m
        moved = walk[1:] - walk[:-1]
        self.cramer += more / 12 * float((ties * ties - 1).dot(more * ties - 3 * moved))


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
    return Merged(reference, current)


def _blocks(reference: Floats, current: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Cut both samples at the same values, so that a block has at most ``BLOCK`` without ties."""
    if len(reference) + len(current) <= BLOCK:
        yield reference, current
        return
    half = BLOCK / 2 / (len(reference) + len(current))
    steps_taken = [max(1, int(len(values) * half)) for values in (reference, current)]
    cuts = [x[s - 1 :: s] for x, s in zip((reference, current), steps_taken, strict=True)]
    every = np.sort(np.concatenate(cuts))[1::2]
    every = np.append(every[every < max(reference[-1], current[-1])], np.inf)
    found = [np.searchsorted(values, every, side="right") for values in (reference, current)]
    start = (0, 0)
    for end in zip(found[0].tolist(), found[1].tolist(), strict=True):
        if end != start:
            yield reference[start[0] : end[0]], current[start[1] : end[1]]
        start = end
