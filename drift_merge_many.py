"""Many short pairs of samples merged at once: the sums of ``drift_merge``, to the last bit.

Owns: ``merge_many``. A short column costs less than the calls of numpy that it takes, so the walks
of many are joined to one: each begins and ends at 0, so that none disturbs the next. Up to
``LONGEST`` values the walk, the ranks and what is summed of them are exact in floats, in whatever
order they are added; the rest is added stretch by stretch, as ``Merged`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift_merge import Merged, fourth_sum, merge, square_sum, steps
from drift_order import Floats, Integers, runs

LONGEST = 2000
"""Values of both samples up to which a pair is merged together with others: the largest sum, of
quarters and below 2 · 10^15, is exact."""

TOGETHER = 100_000
"""Values merged together at most: a wide table's would fill the memory, and no cache."""

Pair = tuple[Floats, Floats]


def merge_many(pairs: Sequence[Pair]) -> list[Merged]:
    """Put each pair of samples on one axis.

    Parameters
    ----------
    pairs : sequence of tuple of ndarray of float, shapes (n,) and (m,)
        As for ``drift_merge.merge``.

    Returns
    -------
    list of Merged
        In their order, each as ``merge`` returns it.

    Examples
    --------
    >>> pair = (np.array([1.0, 2.0]), np.array([2.0]))
    >>> [merged.area for merged in merge_many([pair, pair])]
    [0.5, 0.5]
    """
    short = [i for i, (old, new) in enumerate(pairs) if len(old) + len(new) <= LONGEST]
    together: dict[int, Merged] = {}
    for part in np.array_split(short, 1 + len(short) * LONGEST // TOGETHER):
        together |= zip(part.tolist(), _together([pairs[i] for i in part]), strict=True)
    return [together.get(i) or merge(*pair) for i, pair in enumerate(pairs)]


def _together(pairs: Sequence[Pair]) -> list[Merged]:
    if len(pairs) < 2:
        return [merge(*pair) for pair in pairs]
    merged = [Merged(*pair) for pair in pairs]
    walk = _joined(merged)
    terms = _terms(walk)
    cuts = [_cuts(each, walk, at) for at, each in enumerate(merged)]
    stretches = np.concatenate(cuts)
    sums = np.add.reduceat(terms.exact, stretches, axis=1).T.tolist()
    gaps = np.maximum.reduceat(terms.heights, stretches).tolist()
    ends = [*stretches[1:].tolist(), len(walk.values)]
    owners = np.repeat(np.arange(len(merged)), [len(each) for each in cuts]).tolist()
    for at, owner in enumerate(owners):
        stretch = slice(int(stretches[at]), ends[at])
        _add(merged[owner], terms, stretch, (gaps[at], *sums[at]))
    return merged


class _Walk(NamedTuple):
    """Along the distinct values of all pairs, one pair after the other.

    The walk after each value, the pooled values of its pair up to it, and by value the total and
    n - m of its pair. Pair i has the values from ``bounds[i]`` up to ``bounds[i + 1]``.
    """

    values: Floats
    after: Floats
    ranks: Floats
    total: Floats
    more: Floats
    bounds: Integers


def _joined(merged: Sequence[Merged]) -> _Walk:
    """Walk along all pairs and count their distinct values."""
    ordered, moves = [], []
    for each in merged:
        both = np.concatenate((each.reference, each.current))
        order = both.argsort(kind="stable")  # of two sorted runs: one pass
        ordered.append(both[order])
        moves.append(np.where(order < len(each.reference), -each.m, each.n))
    values = np.concatenate(ordered)
    ends = np.cumsum([len(both) for both in ordered])
    last = np.append(values[1:] != values[:-1], True)
    last[ends - 1] = True
    kept = last.nonzero()[0]
    bounds = np.append(0, np.searchsorted(kept, ends))
    counts = np.diff(bounds)
    for each, count in zip(merged, counts.tolist(), strict=True):
        each.n_distinct = count
    passed = np.append(0, ends[:-1])
    return _Walk(
        values=values[kept],
        after=np.concatenate(moves).cumsum()[kept],
        ranks=(kept + 1 - np.repeat(passed, counts)).astype(np.float64),
        total=np.repeat([each.total for each in merged], counts),
        more=np.repeat([each.n - each.m for each in merged], counts),
        bounds=bounds,
    )


class _Terms(NamedTuple):
    """What the sums are added from, value by value; ``exact`` has a line per sum."""

    heights: Floats
    squares: Floats
    widths: Floats
    tails: Floats
    ties: Floats
    exact: NDArray[np.float64]


def _terms(walk: _Walk) -> _Terms:
    """Return the terms of every sum that ``Merged`` names."""
    after, total, starts = walk.after, walk.total, walk.bounds[:-1]
    before = np.append(0.0, after[:-1])  # at each pair's end the walk is back at 0
    ties, widths = steps(walk.ranks), steps(walk.values)
    ties[starts], widths[starts] = walk.ranks[starts], 0.0
    offset = walk.ranks - ties / 2 - total / 2
    far, moved, middle = offset * offset, after - before, (after + before) / 2
    heights, tied = np.abs(before), square_sum(ties)
    room = total / 4 * (total - ties) - far
    room[room == 0] = 1.0  # of a pair of one value, where the walk does not leave 0
    exact = (
        middle * ties,
        moved * far,
        (middle * middle + moved * moved / 4) * ties,
        (ties * ties - 1) * (walk.more * ties - 3 * moved),
        tied,
        fourth_sum(ties) + 6 * far * tied,
    )
    tails = (after + before) ** 2 / room
    return _Terms(heights, heights * heights, widths, tails, ties, np.stack(exact))


def _cuts(merged: Merged, walk: _Walk, at: int) -> Integers:
    """Return where the stretches of a pair begin: ``Merged`` takes values below 0 by themselves."""
    start, end = walk.bounds[at], walk.bounds[at + 1]
    if not walk.values[start] < 0 <= walk.values[end - 1]:
        return np.array([start])
    if 10 * (end - start) <= merged.total and runs(merged.reference) and runs(merged.current):
        return np.array([start])  # counted, not put in order
    return np.array([start, start + np.searchsorted(walk.values[start:end], 0.0)])


def _add(merged: Merged, terms: _Terms, stretch: slice, sums: tuple[float, ...]) -> None:
    """Add a stretch of the walk to the sums of its pair."""
    gap, location, spread, cramer, uneven, square, fourth = sums
    scale, widths = merged.n * merged.m, terms.widths[stretch]
    merged.largest_gap = max(merged.largest_gap, gap / scale)
    merged.area += float(terms.heights[stretch].dot(widths)) / scale
    merged.squared_area += float(terms.squares[stretch].dot(widths)) / scale**2
    merged.current_rank -= location / merged.total
    merged.current_square += spread / merged.total
    merged.cramer += cramer
    merged.cramer += (merged.n - merged.m) / 12 * uneven
    merged.pooled_square -= square
    merged.pooled_fourth -= fourth
    merged.tail_weighted += float(terms.tails[stretch].dot(terms.ties[stretch])) / 4
