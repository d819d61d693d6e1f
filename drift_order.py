"""Two sorted samples joined in ascending order, without a branch per value.

Owns: ``blocks``, which cuts both at the same values, and ``in_order``, which merges such a block.

A merge compares two values at a time and the processor cannot foresee which is smaller, so that
each comparison costs more than sorting the value again does: ``numpy.sort`` of whole numbers
needs no branches (AVX-512, AVX2). So each float becomes one whole number that sorts like it and
has the sample it came from as its lowest bit. A float has 64 bits of its own; those of one sign
have 63, and blocks are of one sign. Nothing is rounded: neighbouring floats, denormal ones and ties
of both samples keep their order and their exact value.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Runs = tuple[Floats, Integers]

BLOCK = 40_000
"""Most values per block without ties, on average half of it: the arrays of a block fit into the
processor's caches, and the calls of numpy cost little beside the work (measured: 12,000 takes a
fifth longer)."""

_LAST_NEGATIVE = np.nextafter(0.0, -1.0)


def blocks(reference: Floats, current: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Cut both samples at the same values.

    Parameters
    ----------
    reference, current : ndarray of float, shapes (n,) and (m,)
        Sorted ascending, finite, neither empty.

    Yields
    ------
    tuple of ndarray
        The next values of both, not both empty. All values of a block are below those of the next;
        none is negative or all are; without ties there are at most ``BLOCK``.

    Examples
    --------
    >>> [(len(a), len(b)) for a, b in blocks(np.array([-1.0, 2.0, 3.0]), np.array([-1.0]))]
    [(1, 1), (2, 0)]
    """
    every = np.array((_LAST_NEGATIVE, np.inf))
    total = len(reference) + len(current)
    if total > BLOCK:
        strides = [max(1, len(values) * BLOCK // (2 * total)) for values in (reference, current)]
        cuts = [x[s - 1 :: s] for x, s in zip((reference, current), strides, strict=True)]
        every = np.sort(np.concatenate((every, np.sort(np.concatenate(cuts))[1::2])))
    found = [np.searchsorted(values, every, side="right") for values in (reference, current)]
    start = (0, 0)
    for end in zip(found[0].tolist(), found[1].tolist(), strict=True):
        if end != start:
            yield reference[start[0] : end[0]], current[start[1] : end[1]]
        start = end


def in_order(reference: Floats, current: Floats) -> tuple[Floats, Integers]:
    """Merge two samples whose values are all negative or all not.

    Parameters
    ----------
    reference, current : ndarray of float, shapes (n,) and (m,)
        Finite, in any order, not both empty.

    Returns
    -------
    values : ndarray of float, shape (n + m,)
        Ascending; -0.0 becomes 0.0.
    is_current : ndarray of int, shape (n + m,)
        1 for a value of ``current``, 0 for one of ``reference``; among equal ones in any order.

    Examples
    --------
    >>> in_order(np.array([1.0, 3.0]), np.array([2.0]))
    (array([1., 2., 3.]), array([0, 1, 0]))
    """
    negative = bool((reference if len(reference) else current)[0] < 0)
    keys = np.empty(len(reference) + len(current), dtype=np.uint64)
    old, new = keys[: len(reference)], keys[len(reference) :]
    # the sign's bit is shifted out, the bits of a float's magnitude sort like the float
    np.left_shift(reference.view(np.uint64), 1, out=old)
    np.left_shift(current.view(np.uint64), 1, out=new)
    np.bitwise_or(new, 1, out=new)
    if negative:  # among them the larger magnitude comes first
        np.invert(keys, out=keys)
    keys.sort()
    if negative:
        np.invert(keys, out=keys)
    is_current = np.bitwise_and(keys, 1).view(np.int64)
    values = np.right_shift(keys, 1).view(np.float64)
    return (np.negative(values, out=values) if negative else values), is_current


def runs(ordered: Floats) -> Runs | None:
    """Return each distinct value and how often it occurs, or None where few values are repeated.

    Parameters
    ----------
    ordered : ndarray of float, shape (n,)
        Ascending, not empty.

    Returns
    -------
    tuple of ndarray, shapes (k,), or None
        None if k is more than a tenth of n: then ``in_order`` is faster than working with counts.

    Examples
    --------
    >>> runs(np.repeat([1.0, 7.0], 20))
    (array([1., 7.]), array([20, 20]))
    """
    differs = ordered[1:] != ordered[:-1]
    if 10 * (np.count_nonzero(differs) + 1) > len(ordered):
        return None
    ends = np.append(differs.nonzero()[0], len(ordered) - 1)
    return ordered[ends], np.diff(ends, prepend=-1)
