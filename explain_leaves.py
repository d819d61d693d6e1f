"""What one leaf of a tree contributes to every row, from who meets the conditions on its path.

Owns: ``table_gains`` and ``pair_gains``, two ways to the same numbers.

For one leaf let *k* groups lie on its path. Every row has a *k*-bit pattern: bit *i* is set when
the row meets all conditions of group *i*. A hybrid of *x* and *b* reaches the leaf when every
group in *S* is met by *x* and every other by *b*, so with C(M) = share of background patterns
that contain *M* the worth of *S* is v·C(all∖S) for *S* within the pattern *r* of *x*, else 0.
With w(s) = s!(k−s−1)!/k! and subset sums Z0(r) = Σ_{S⊆r} w(|S|)·C(all∖S) and
Z1(r) = Σ_{S⊆r} w(|S|−1)·C(all∖S) the Shapley value of group *i* is
v·(Z1(r) − Z1(r∖i) − Z0(r∖i)). One table of 2^k patterns per leaf serves all rows: the cost is
rows + background, not rows × background. Leaves with many groups compare the patterns pair by
pair instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def table_gains(rows: NDArray[Any], background: NDArray[Any], n_bits: int) -> Iterator[Floats]:
    """Yield per bit what leaves of value 1 contribute to every row, from tables of all patterns.

    Tables are (patterns, leaves): the leaves lie side by side, so that every sum over a bit runs
    along memory.

    Parameters
    ----------
    rows, background : ndarray of unsigned int, shapes (leaves, n) and (leaves, m)
        Pattern of every row at every leaf.
    n_bits : int
        Groups on the path of each of these leaves.

    Yields
    ------
    ndarray, shape (leaves, n)
        Shapley value of the group behind the first bit, then the second, …

    Examples
    --------
    A row that meets the only condition of a leaf, of which one background row in two does:

    >>> met, background = np.array([[1]], np.uint8), np.array([[0, 1]], np.uint8)
    >>> [gain.tolist() for gain in table_gains(met, background, 1)]
    [[[0.5]]]
    """
    size, shift = 2**n_bits, (len(rows) - 1).bit_length()  # a cell is pattern · 2^shift + leaf
    leaf = np.arange(len(rows))[:, None]
    cells = ((background.astype(np.int64) << shift) + leaf).ravel()
    share = np.bincount(cells, minlength=size << shift).reshape(size, 1 << shift)
    share = share / background.shape[1]
    for bit in range(n_bits):  # sums over the patterns that contain each pattern
        view = _split(share, bit)
        view[:, 0] += view[:, 1]
    complement = share[::-1]  # C(all∖S) at S
    members = np.bitwise_count(np.arange(size))
    without, within = coalition_weights(n_bits)
    one = complement * within[members][:, None]
    both = complement * (within + without)[members][:, None]
    for table in (one, both):
        for bit in range(n_bits):  # sums over the patterns within each pattern
            view = _split(table, bit)
            view[:, 1] += view[:, 0]
    at = (rows.astype(np.int64) << shift) + leaf
    if size > 2 * rows.shape[1]:
        whole = np.take(one, at)
        for bit in range(n_bits):
            yield whole - np.take(both, at & ~(1 << (bit + shift)))
        return
    for bit in range(n_bits):  # few patterns, many rows: work out every pattern
        table = _split(one, bit) - _split(both, bit)[:, :1]
        yield np.take(table, at)


def pair_gains(rows: NDArray[Any], background: NDArray[Any], n_bits: int) -> Iterator[Floats]:
    """Yield the same as ``table_gains`` from the pairs of patterns that fill the path.

    With a groups met only by the row and b met only by the background row, each of the former
    gains (a−1)!b!/(a+b)! and each of the latter loses a!(b−1)!/(a+b)!.
    """
    n_leaves, n_rows = rows.shape
    full = rows.dtype.type((1 << n_bits) - 1)
    leaf, row, other = np.nonzero((rows[:, :, None] | background[:, None, :]) == full)
    mine, theirs = rows[leaf, row], background[leaf, other]
    only_mine, only_theirs = mine & ~theirs, theirs & ~mine
    n_mine, n_theirs = np.bitwise_count(only_mine), np.bitwise_count(only_theirs)
    gain, loss = _pair_weights(n_bits)
    gains = gain[n_mine, n_theirs] / background.shape[1]
    losses = loss[n_mine, n_theirs] / background.shape[1]
    target = leaf * n_rows + row
    for bit in range(n_bits if len(leaf) else 0):
        flag = rows.dtype.type(1 << bit)
        amount = np.where(only_mine & flag, gains, np.where(only_theirs & flag, -losses, 0.0))
        summed = np.bincount(target, weights=amount, minlength=n_leaves * n_rows)
        yield summed.astype(np.float64).reshape(n_leaves, n_rows)


def _split(table: Floats, bit: int) -> Floats:
    """Return a view (high, 2, low) whose second axis is one bit of the pattern."""
    return table.reshape(-1, 2, table.shape[1] << bit)


def coalition_weights(n_bits: int) -> tuple[Floats, Floats]:
    """Return w(s) and w(s - 1) for coalitions of size 0 … k; 0 where there is no such term.

    Examples
    --------
    >>> [weights.tolist() for weights in coalition_weights(2)]
    [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    """
    sizes = range(n_bits)
    plain = [factorial(s) * factorial(n_bits - s - 1) / factorial(n_bits) for s in sizes]
    return np.array([*plain, 0.0]), np.array([0.0, *plain])


def _pair_weights(n_bits: int) -> tuple[Floats, Floats]:
    """Return (a−1)!b!/(a+b)! and a!(b−1)!/(a+b)! for a, b from 0 to k; 0 where undefined."""
    gain = np.zeros((n_bits + 1, n_bits + 1))
    for mine in range(1, n_bits + 1):
        for theirs in range(n_bits + 1 - mine):
            top = factorial(mine - 1) * factorial(theirs)
            gain[mine, theirs] = top / factorial(mine + theirs)
    return gain, gain.T
