"""Exact Shapley values of trees that ask few different questions, as symmetric trees do.

Owns: ``grid_batches`` and ``grid_values``. A tree of *c* different conditions answers alike for
all rows that meet the same ones, so it is a table of 2^c answers. With one axis per condition,
those of a group together, the worth of a coalition is that table averaged over the axes of the
other groups, with the shares of the background as weights. The values follow by definition, for
all trees of the same shape at once, and a row only looks its own up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_forest import Floats, Integers, Trees
from explain_leaves import coalition_weights

MAX_CONDITIONS = 10
NODE_COST = 1.0  # of a row at a node, in units of one cell of a table for one coalition
BATCH_CELLS = 1_000_000  # trees × groups × (answers + rows) that are worked out together


@dataclass(frozen=True, slots=True)
class GridBatch:
    """Some trees whose groups have the same numbers of conditions.

    Parameters
    ----------
    trees : ndarray of int, shape (t,)
        Which of the trees.
    nodes : ndarray of int, shape (t, c)
        A node with each condition, those of a group side by side.
    sizes : tuple of int
        Conditions of the first group, the second, …; together *c*.
    place : ndarray of int, shape (nodes of all trees,)
        Which condition of its tree stands at a node; -1 at a leaf.
    """

    trees: Integers
    nodes: Integers
    sizes: tuple[int, ...]
    place: Integers

    @property
    def first_nodes(self) -> Integers:
        """A node of each group, (t, groups)."""
        return self.nodes[:, np.cumsum([0, *self.sizes[:-1]])]


def grid_batches(trees: Trees, groups: Integers, n_rows: int) -> list[GridBatch]:
    """Return the trees for which a table is cheaper than their leaves.

    Parameters
    ----------
    trees : Trees
    groups : ndarray of int
        The group of every feature.
    n_rows : int
        Rows and background together.
    """
    nodes, owner = _inner_nodes(trees)
    n_inner = np.bincount(owner, minlength=len(trees.root))
    kept = (n_inner < NODE_COST * n_rows)[owner]  # c conditions make 2^c - 1 nodes at most
    nodes, owner = nodes[kept], owner[kept]
    if not len(nodes):
        return []
    group = groups[trees.feature[nodes]]
    keys = (trees.missing_left[nodes], trees.threshold[nodes], trees.feature[nodes], group, owner)
    order = np.lexsort(keys)
    sorted_keys = [key[order] for key in keys]
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = np.any([key[1:] != key[:-1] for key in sorted_keys], axis=0)
    first = order[is_new]  # one node of each condition, tree by tree and group by group
    counts = np.bincount(owner[first], minlength=len(trees.root))
    starts = np.cumsum(counts) - counts
    place = np.full(len(trees.feature), -1)
    place[nodes[order]] = np.cumsum(is_new) - 1 - starts[owner[order]]
    few = (counts > 0) & (counts <= MAX_CONDITIONS)
    few &= 4.0 ** np.minimum(counts, MAX_CONDITIONS) <= NODE_COST * n_inner * n_rows
    alike: dict[tuple[int, ...], list[int]] = {}
    for tree in np.flatnonzero(few).tolist():
        own = group[first[starts[tree] : starts[tree] + counts[tree]]]
        alike.setdefault(tuple(np.unique(own, return_counts=True)[1].tolist()), []).append(tree)
    return [
        GridBatch(part, nodes[first[starts[part][:, None] + np.arange(sum(sizes))]], sizes, place)
        for sizes, members in alike.items()
        for part in _cut(np.array(members), sizes, n_rows)
    ]


def grid_values(
    trees: Trees, batch: GridBatch, goes_left: NDArray[np.bool_], n_rows: int
) -> Floats:
    """Return the Shapley values of every tree of a batch.

    Parameters
    ----------
    trees : Trees
    batch : GridBatch
    goes_left : ndarray of bool, shape (t · c, n + m)
        Which rows, then which background rows, go left at ``batch.nodes``.
    n_rows : int
        How many of these are rows.

    Returns
    -------
    ndarray, shape (groups of a tree, t, width, n)
    """
    n_trees, n_conditions = batch.nodes.shape
    bits = 1 << np.arange(n_conditions)[::-1]
    goes_right = ~goes_left.reshape(n_trees, n_conditions, -1)
    codes = np.einsum("tcn,c->tn", goes_right, bits)
    shape = [2**size for size in batch.sizes]
    own = np.arange(n_trees)[:, None]
    cells = (codes[:, n_rows:] * n_trees + own).ravel()
    share = np.bincount(cells, minlength=n_trees << n_conditions) / (codes.shape[1] - n_rows)
    answers = _answers(trees, batch)
    values = _by_definition(
        answers.reshape(*shape, n_trees, -1), share.reshape(*shape, n_trees, 1)
    ).reshape(len(shape), *answers.shape)
    return np.moveaxis(values[:, codes[:, :n_rows], own], 3, 2)


def _inner_nodes(trees: Trees) -> tuple[Integers, Integers]:
    """Return all nodes with a condition, and the tree of each."""
    nodes, owner = trees.root, np.arange(len(trees.root))
    parts = []
    while len(nodes):
        inner = trees.feature[nodes] >= 0
        nodes, owner = nodes[inner], owner[inner]
        parts.append((nodes, owner))
        nodes = np.concatenate([trees.left[nodes], trees.right[nodes]])
        owner = np.concatenate([owner, owner])
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _cut(members: Integers, sizes: tuple[int, ...], n_rows: int) -> Iterator[Integers]:
    """Yield trees of one shape in parts that fit into memory."""
    step = max(1, BATCH_CELLS // (len(sizes) * (2 ** sum(sizes) + n_rows)))
    for start in range(0, len(members), step):
        yield members[start : start + step]


def _answers(trees: Trees, batch: GridBatch) -> Floats:
    """Return what each tree answers where conditions are met (bit 0) or not, (2^c, t, width)."""
    n_trees, n_conditions = batch.nodes.shape
    codes = np.arange(2**n_conditions)[:, None]
    at = np.broadcast_to(trees.root[batch.trees], (len(codes), n_trees))
    while (batch.place[at] >= 0).any():  # a leaf leads to itself
        goes_right = (codes >> (n_conditions - 1 - batch.place[at])) & 1
        at = np.where(goes_right, trees.right[at], trees.left[at])
    return trees.value[at]


def _by_definition(answers: Floats, share: Floats) -> Floats:
    """Return the Shapley values of games on grids.

    Parameters
    ----------
    answers : ndarray, shape (…, t, width)
        One axis per player, then the trees and the numbers that they answer.
    share : ndarray, shape (…, t, 1)
        How often each cell occurs in the background.

    Returns
    -------
    ndarray, shape (players, …, t, width)
    """
    players = answers.ndim - 2
    without, within = coalition_weights(players)
    result = np.zeros((players, *answers.shape))
    for members in range(2**players):
        shown = tuple(at for at in range(players) if members >> at & 1)
        hidden = tuple(at for at in range(players) if not members >> at & 1)
        weights = share.sum(axis=shown, keepdims=True)
        worth: Any = (answers * weights).sum(axis=hidden, keepdims=True)
        for player in shown:
            result[player] += within[len(shown)] * worth
        for player in hidden:
            result[player] -= without[len(shown)] * worth
    return result
