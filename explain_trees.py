"""Exact Shapley values of trees against background rows, in numpy.

Owns: ``shapley_values``. The game of a row *x* and a background *B*: a coalition *S* of groups
(raw columns) shows the cells of *x*, the others those of a background row; its worth is the mean
output over *B* (interventional Shapley values).

The trees are walked once for all rows together, down to the nodes where their answer changes
(``explain_changes``); what such a node then contributes is in ``explain_leaves``. Trees of few
different conditions take a shorter way (``explain_grids``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from explain_changes import Changes, value_changes
from explain_forest import Floats, Integers, TreeGame, Trees, as_inputs, decide
from explain_grids import GridBatch, grid_batches, grid_values
from explain_leaves import pair_gains, table_gains

PAIR_COST = 4  # of comparing two patterns, in units of one step over a table
MAX_BITS = 62
CHUNK_CELLS = 500_000  # nodes × rows that go down the trees together
TABLE_CELLS = 2**18
PAIR_CELLS = 4_000_000
GAIN_CELLS = 100_000  # leaves × rows × bits that are added up at once


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
    inputs = as_inputs(trees, np.vstack([game.rows, game.background])).T.copy()
    players = np.concatenate([game.groups, game.groups[trees.set_feature]])
    groups = np.where(players < 0, game.n_groups, players)
    batches = grid_batches(trees, groups, inputs.shape[1])
    others = trees.without([batch.trees for batch in batches])
    bits = min(game.n_groups + 1, len(others.inner_levels()))
    if bits > MAX_BITS:
        return None
    n_rows, n_outputs = len(game.rows), trees.n_outputs
    total = np.zeros(((game.n_groups + 1) * n_outputs, n_rows))
    changes = value_changes(others)
    tell, n_parts, done = on_chunk or _untold, int(changes.here.sum()) + len(trees.root), 0
    for batch in batches:
        _add_grid(total, trees, batch, inputs, groups)
        done += len(batch.trees)
        tell(done / n_parts)
    for leaves in _descend(others, changes, inputs, groups, bits):
        _add_leaves(total, leaves, changes.value, (n_rows, n_outputs))
        done += len(leaves.nodes)
        tell(done / n_parts)
    tell(1.0)
    shaped = total.reshape(game.n_groups + 1, n_outputs, n_rows)
    return shaped[: game.n_groups].transpose(2, 0, 1).copy()


def _untold(share: float) -> None:
    """Tell nobody."""


def _add_grid(
    total: Floats, trees: Trees, batch: GridBatch, inputs: NDArray[Any], groups: Integers
) -> None:
    """Add the values of trees of few conditions to ``total`` (group × outputs, rows)."""
    n_rows = total.shape[1]
    has_missing = bool(np.isnan(inputs).any())
    goes_left = decide(trees, batch.nodes.ravel(), inputs, has_missing=has_missing)
    values = grid_values(trees, batch, goes_left, n_rows)
    n_outputs = trees.n_outputs
    group = groups[trees.feature[batch.first_nodes]].T
    first = group * n_outputs + np.maximum(trees.tree_output[batch.trees], 0)
    targets = (first[:, :, None] + np.arange(values.shape[2])).ravel()
    ends = np.arange(len(targets) + 1)
    cells = (np.ones(len(targets)), targets, ends)
    ones: sparse.csc_array = sparse.csc_array(cells, shape=(len(total), len(targets)))
    total += ones @ values.reshape(-1, n_rows)


def _pattern_type(bits: int) -> type[np.unsignedinteger[Any]]:
    """Return the smallest unsigned integer with that many bits."""
    for width, kind in ((8, np.uint8), (16, np.uint16), (32, np.uint32)):
        if bits <= width:
            return kind
    return np.uint64


def _descend(
    trees: Trees, changes: Changes, inputs: NDArray[Any], groups: Integers, bits: int
) -> Iterator[_Leaves]:
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
        found.append(level.take(changes.here[level.nodes]))
        n_found += len(found[-1].nodes)
        deeper = changes.beneath[level.nodes]
        if deeper.any():
            inner = level.take(deeper)
            goes_left = decide(trees, inner.nodes, inputs, has_missing=has_missing)
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
