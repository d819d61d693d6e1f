"""Exact Shapley values of trees against background rows, in numpy.

Owns: ``Trees`` (a lowered forest), ``evaluate`` and ``shapley_values``. The game of a row *x*
and a background *B*: a coalition *S* of groups (raw columns) shows the cells of *x*, the others
those of a background row; its worth is the mean output over *B* (interventional Shapley values).

The trees are walked once for all rows together; what a leaf then contributes is in
``explain_leaves``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from explain_leaves import pair_gains, table_gains
from model_types import Lowered

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PAIR_COST = 4  # of comparing two patterns, in units of one step over a table
MAX_BITS = 62
CHUNK_CELLS = 500_000  # nodes × rows that go down the trees together
TABLE_CELLS = 200_000
PAIR_CELLS = 4_000_000
GAIN_CELLS = 100_000  # leaves × rows × bits that are added up at once


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees behind one another; a row goes left where ``x <= threshold`` in ``dtype``.

    Parameters
    ----------
    feature, left, right : ndarray of int, shape (nodes,)
        Column (-1 at a leaf) and children (a leaf points to itself).
    threshold : ndarray of float32 or float64, shape (nodes,)
    missing_left : ndarray of bool, shape (nodes,)
    value : ndarray of float, shape (nodes, width)
        Width is the number of outputs, or 1 where each tree serves one output.
    root, tree_output : ndarray of int, shape (trees,)
    base : ndarray of float, shape (outputs,)
    set_feature : ndarray of int, shape (sets,)
    set_left : ndarray of bool, shape (sets, codes)
        Sets of categories: columns of their own behind those of the matrix, 0 where the code in
        column ``set_feature`` goes left and 1 where not. The last entry is for all larger codes.
    """

    feature: Integers
    threshold: NDArray[Any]
    left: Integers
    right: Integers
    missing_left: NDArray[np.bool_]
    value: Floats
    root: Integers
    tree_output: Integers
    base: Floats
    set_feature: Integers
    set_left: NDArray[np.bool_]

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return len(self.base)


def from_lowered(lowered: Lowered) -> Trees:
    """Return the trees of a lowered model, their comparison made ``x <= threshold``.

    A float32 row compares with a float64 threshold as with the largest float32 not above it, and
    ``x < t`` is ``x <= `` the float32 just below ``t``.
    """
    arrays = lowered.arrays
    return Trees(
        feature=arrays["feature"].astype(np.int64),
        threshold=_thresholds(arrays["threshold"], str(lowered.meta["rule"])),
        left=arrays["left"].astype(np.int64),
        right=arrays["right"].astype(np.int64),
        missing_left=arrays["missing_left"].astype(bool),
        value=arrays["value"],
        root=arrays["root"].astype(np.int64),
        tree_output=arrays["tree_output"].astype(np.int64),
        base=arrays["base"],
        set_feature=arrays.get("set_feature", np.empty(0)).astype(np.int64),
        set_left=arrays.get("set_left", np.empty((0, 1))).astype(bool),
    )


def _thresholds(threshold: Floats, rule: str) -> NDArray[Any]:
    """Return thresholds for ``<=`` in the precision of the rule."""
    if rule == "le64":
        return threshold
    low = np.float32(-np.inf)
    narrow = threshold.astype(np.float32)
    if rule == "lt32":
        return np.nextafter(narrow, low)
    return np.where(narrow.astype(np.float64) > threshold, np.nextafter(narrow, low), narrow)


def as_inputs(trees: Trees, matrix: Floats) -> NDArray[Any]:
    """Return a matrix in the precision in which the trees compare, the sets behind it."""
    with np.errstate(over="ignore"):
        inputs = matrix.astype(trees.threshold.dtype)
    if not len(trees.set_feature):
        return inputs
    codes = matrix[:, trees.set_feature]
    unknown = ~(codes >= 0)  # missing ones too
    known = np.where(unknown, 0, codes).clip(max=trees.set_left.shape[1] - 1).astype(np.int64)
    goes_right = (~trees.set_left)[np.arange(len(trees.set_feature)), known].astype(inputs.dtype)
    return np.hstack([inputs, np.where(unknown, inputs.dtype.type(np.nan), goes_right)])


def max_depth(trees: Trees) -> int:
    """Return the number of conditions on the longest path."""
    nodes, depth = trees.root, 0
    while True:
        nodes = nodes[trees.feature[nodes] >= 0]
        if not len(nodes):
            return depth
        nodes, depth = np.concatenate([trees.left[nodes], trees.right[nodes]]), depth + 1


def evaluate(trees: Trees, matrix: Floats) -> Floats:
    """Return the margins of the trees, shape (n, outputs)."""
    inputs = as_inputs(trees, matrix)
    n_rows = len(inputs)
    at = np.broadcast_to(trees.root, (n_rows, len(trees.root)))
    rows = np.arange(n_rows)[:, None]
    for _ in range(max_depth(trees)):
        cells = inputs[rows, trees.feature[at]]
        goes_left = (cells <= trees.threshold[at]) | (np.isnan(cells) & trees.missing_left[at])
        at = np.where(goes_left, trees.left[at], trees.right[at])
    result = np.tile(trees.base, (n_rows, 1))
    for output in range(trees.n_outputs):
        serves = (trees.tree_output == output) | (trees.tree_output < 0)
        column = output if trees.value.shape[1] > 1 else 0
        result[:, output] += trees.value[at[:, serves], column].sum(axis=1)
    return result


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Leaves of a chunk of trees with the patterns of all rows.

    ``path`` (leaves, bits) holds the group of each bit, ``n_bits`` how many are used, ``nodes``
    the leaf's node, ``outputs`` the output its tree serves (-1: all), ``patterns`` (leaves, n).
    """

    nodes: Integers
    outputs: Integers
    path: Integers
    n_bits: Integers
    patterns: NDArray[Any]

    def take(self, which: NDArray[Any] | slice) -> _Leaves:
        """Return some of the leaves."""
        return _Leaves(
            self.nodes[which],
            self.outputs[which],
            self.path[which],
            self.n_bits[which],
            self.patterns[which],
        )


@dataclass(frozen=True, slots=True)
class TreeGame:
    """What is to be explained: rows and background as the trees see them, and the players.

    Parameters
    ----------
    trees : Trees
    groups : ndarray of int, shape (k,)
        The player (0 … n_groups - 1) to which each column of the matrix belongs; -1 for none.
    n_groups : int
    rows, background : ndarray of float64, shapes (n, k) and (m, k)
    """

    trees: Trees
    groups: Integers
    n_groups: int
    rows: Floats
    background: Floats


def shapley_values(
    game: TreeGame, *, on_chunk: Callable[[float], None] | None = None
) -> Floats | None:
    """Return the exact Shapley values, or None where a path holds too many groups.

    Parameters
    ----------
    game : TreeGame
    on_chunk : callable, optional
        Called with the share of the work done (0 … 1) after each chunk of trees; whatever it
        raises ends the computation.

    Returns
    -------
    ndarray, shape (n, n_groups, outputs)
        In the unit of the margin; sums over groups to output - mean output of the background.
    """
    trees = game.trees
    bits = min(game.n_groups + 1, max_depth(trees))
    if bits > MAX_BITS:
        return None
    inputs = as_inputs(trees, np.vstack([game.rows, game.background])).T.copy()
    players = np.concatenate([game.groups, game.groups[trees.set_feature]])
    groups = np.where(players < 0, game.n_groups, players)
    n_rows, n_outputs = len(game.rows), trees.n_outputs
    total = np.zeros(((game.n_groups + 1) * n_outputs, n_rows))
    n_leaves, done = int(np.sum(trees.feature < 0)), 0
    for leaves in _descend(trees, inputs, groups, bits):
        _add_leaves(total, leaves, trees.value, (n_rows, n_outputs))
        done += len(leaves.nodes)
        if on_chunk is not None:
            on_chunk(done / n_leaves)
    shaped = total.reshape(game.n_groups + 1, n_outputs, n_rows)
    return shaped[: game.n_groups].transpose(2, 0, 1).copy()


def _pattern_type(bits: int) -> type[np.unsignedinteger[Any]]:
    """Return the smallest unsigned integer with that many bits."""
    for width, kind in ((8, np.uint8), (16, np.uint16), (32, np.uint32)):
        if bits <= width:
            return kind
    return np.uint64


def _descend(trees: Trees, inputs: NDArray[Any], groups: Integers, bits: int) -> Iterator[_Leaves]:
    """Carry the patterns of all rows from the roots to the leaves; yield leaves in chunks.

    A pattern starts with all bits set; a condition that a row does not meet clears the bit of
    its group, so bits not yet given out stay set and are masked at the leaf. Many nodes go down
    together, but never more than fit in a chunk, so that memory stays bounded.
    """
    kind = _pattern_type(bits)
    has_missing = bool(np.isnan(inputs).any())
    n_rows = inputs.shape[1]
    limit = max(1, CHUNK_CELLS // n_rows)
    waiting = [_roots(trees, n_rows, bits)]
    found: list[_Leaves] = []
    n_found = 0
    while waiting:
        level = waiting.pop()
        if len(level.nodes) > limit:
            waiting += [level.take(slice(limit, None)), level.take(slice(0, limit))]
            continue
        is_leaf = trees.feature[level.nodes] < 0
        found.append(level.take(is_leaf))
        n_found += int(is_leaf.sum())
        if not is_leaf.all():
            inner = level.take(~is_leaf)
            goes_left = _decide(trees, inner.nodes, inputs, has_missing=has_missing)
            waiting.append(_children(trees, inner, groups[trees.feature[inner.nodes]], goes_left))
        if n_found >= limit or not waiting:
            yield _finished(found, kind)
            found, n_found = [], 0


def _roots(trees: Trees, n_rows: int, bits: int) -> _Leaves:
    """Return the roots of all trees, every pattern full."""
    n_trees, kind = len(trees.root), _pattern_type(bits)
    return _Leaves(
        trees.root,
        trees.tree_output,
        np.full((n_trees, max(bits, 1)), -1),
        np.zeros(n_trees, dtype=np.int64),
        np.full((n_trees, n_rows), np.iinfo(kind).max, dtype=kind),
    )


def _decide(
    trees: Trees, nodes: Integers, inputs: NDArray[Any], *, has_missing: bool
) -> NDArray[np.bool_]:
    """Return which rows go left at each node, (nodes, n)."""
    cells = inputs[trees.feature[nodes]]
    goes_left: NDArray[np.bool_] = cells <= trees.threshold[nodes][:, None]
    if has_missing:
        goes_left |= np.isnan(cells) & trees.missing_left[nodes][:, None]
    return goes_left


def _children(
    trees: Trees, level: _Leaves, group: Integers, goes_left: NDArray[np.bool_]
) -> _Leaves:
    """Return both children of every node of a level."""
    same = level.path == group[:, None]
    bit = np.where(same.any(axis=1), same.argmax(axis=1), level.n_bits)
    path = level.path.copy()
    path[np.arange(len(bit)), bit] = group
    n_bits = np.maximum(level.n_bits, bit + 1)
    kind = level.patterns.dtype
    kept = np.bitwise_not((np.ones(1, np.uint64) << bit.astype(np.uint64)).astype(kind))
    cleared = level.patterns & kept[:, None]
    return _Leaves(
        np.concatenate([trees.left[level.nodes], trees.right[level.nodes]]),
        np.concatenate([level.outputs, level.outputs]),
        np.concatenate([path, path]),
        np.concatenate([n_bits, n_bits]),
        np.concatenate(
            [
                np.where(goes_left, level.patterns, cleared),
                np.where(goes_left, cleared, level.patterns),
            ]
        ),
    )


def _finished(parts: list[_Leaves], kind: type[np.unsignedinteger[Any]]) -> _Leaves:
    """Return leaves as one set, without the bits that their paths do not use."""
    leaves = _Leaves(
        np.concatenate([part.nodes for part in parts]),
        np.concatenate([part.outputs for part in parts]),
        np.concatenate([part.path for part in parts]),
        np.concatenate([part.n_bits for part in parts]),
        np.concatenate([part.patterns for part in parts]),
    )
    masks = ((np.uint64(1) << leaves.n_bits.astype(np.uint64)) - np.uint64(1)).astype(kind)
    np.bitwise_and(leaves.patterns, masks[:, None], out=leaves.patterns)
    return leaves


def _add_leaves(total: Floats, leaves: _Leaves, value: Floats, shape: tuple[int, int]) -> None:
    """Add the contributions of all leaves to ``total`` (group × outputs, rows)."""
    n_rows, n_outputs = shape
    n_background = leaves.patterns.shape[1] - n_rows
    for n_bits in np.unique(leaves.n_bits):
        if n_bits == 0:  # a tree of one leaf: the same for every row
            continue
        in_table = int(n_bits) << int(n_bits) <= PAIR_COST * n_rows * n_background
        cells = 2**n_bits if in_table else n_rows * n_background
        size = max(1, (TABLE_CELLS if in_table else PAIR_CELLS) // int(cells))
        which = np.flatnonzero(leaves.n_bits == n_bits)
        for start in range(0, len(which), size):
            part = leaves.take(which[start : start + size])
            rows, background = part.patterns[:, :n_rows], part.patterns[:, n_rows:]
            gains = (table_gains if in_table else pair_gains)(rows, background, int(n_bits))
            together = max(1, GAIN_CELLS // rows.size)
            for bits, stacked in _stacked(gains, together):
                total += _scatter(part, bits, value, (len(total), n_outputs)) @ stacked


def _stacked(gains: Iterator[Floats], together: int) -> Iterator[tuple[slice, Floats]]:
    """Yield the gains of several bits below one another, and which bits they are."""
    first = 0
    while several := list(islice(gains, together)):
        yield slice(first, first + len(several)), np.concatenate(several)
        first += len(several)


def _scatter(
    leaves: _Leaves, bits: slice, value: Floats, shape: tuple[int, int]
) -> sparse.csc_array:
    """Return the sparse matrix (group × outputs, bits × leaves) of leaf values."""
    n_targets, n_outputs = shape
    first = leaves.path[:, bits].T * n_outputs + np.maximum(leaves.outputs, 0)
    values = np.broadcast_to(value[leaves.nodes], (len(first), *value[leaves.nodes].shape))
    targets = first[:, :, None] + np.arange(value.shape[1])
    ends = np.arange(first.size + 1) * value.shape[1]
    return sparse.csc_array((values.ravel(), targets.ravel(), ends), shape=(n_targets, first.size))
