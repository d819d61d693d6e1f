"""At which nodes of a tree its answer changes: the tree as a sum of as few terms as possible.

Owns: ``Changes`` and ``value_changes``. Give every node a value, a leaf its own. What a tree
answers is then the value of its root plus, for every further node that a row passes, the value
of that node less that of its parent, whatever values the inner nodes were given. A term is needed
only where the two differ, so inner nodes get the values that differ least often: Fitch's
parsimony (Toward defining the course of evolution, Systematic Zoology 1971). A tree of *n*
leaves needs *n* - 1 terms at most, a classifier grown until its leaves are pure about a
third of that, and terms of inner nodes have shorter paths than leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explain_forest import Floats, Integers, Trees

MAX_COLOURS = 64  # values that many leaves share, one bit each
Masks = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Changes:
    """Where the value changes.

    Parameters
    ----------
    value : ndarray of float, shape (nodes, width)
        Value of each node less that of its parent; 0 at a root.
    here : ndarray of bool, shape (nodes,)
        Whether that is not 0.
    beneath : ndarray of bool, shape (nodes,)
        Whether it is not 0 somewhere below the node.
    """

    value: Floats
    here: NDArray[np.bool_]
    beneath: NDArray[np.bool_]


def value_changes(trees: Trees) -> Changes:
    """Return where the answer of the trees changes on the way from root to leaf.

    Parameters
    ----------
    trees : Trees

    Returns
    -------
    Changes
        Along every path the changes add up to leaf - root.
    """
    levels = trees.inner_levels()
    worth = _chosen_values(trees, levels)
    change = np.zeros_like(worth)
    for nodes in levels:
        for children in (trees.left[nodes], trees.right[nodes]):
            change[children] = worth[children] - worth[nodes]
    here: NDArray[np.bool_] = np.any(change != 0, axis=1)
    beneath = np.zeros(here.shape, dtype=np.bool_)
    for nodes in reversed(levels):
        left, right = trees.left[nodes], trees.right[nodes]
        beneath[nodes] = here[left] | here[right] | beneath[left] | beneath[right]
    return Changes(change, here, beneath)


def _chosen_values(trees: Trees, levels: list[Integers]) -> Floats:
    """Return a value for every node, equal to that of its parent where it can be."""
    worth = trees.value.copy()
    possible, palette = _colours(trees)
    for nodes in reversed(levels):  # what both children may have, else what either may
        left, right = possible[trees.left[nodes]], possible[trees.right[nodes]]
        possible[nodes] = np.where(left & right, left & right, left | right)
        worth[nodes] = worth[trees.left[nodes]]  # stays where nothing below has a colour
    chosen = possible & (~possible + np.uint64(1))  # the lowest bit
    for nodes in levels:
        for children in (trees.left[nodes], trees.right[nodes]):
            same = possible[children] & chosen[nodes]
            chosen[children] = np.where(same, same, chosen[children])
    coloured = np.flatnonzero(chosen)
    worth[coloured] = palette[np.bitwise_count(chosen[coloured] - np.uint64(1))]
    return worth


def _colours(trees: Trees) -> tuple[Masks, Floats]:
    """Return a bit for each leaf with one of the most frequent values, and these values."""
    leaves = np.flatnonzero(trees.feature < 0)
    found = trees.value[leaves]
    axis = None if found.shape[1] == 1 else 0  # rows are sorted more slowly than numbers
    values, which, counts = np.unique(found, axis=axis, return_inverse=True, return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[:MAX_COLOURS]
    bits = np.zeros(len(values), dtype=np.uint64)
    bits[frequent] = np.uint64(1) << np.arange(len(frequent), dtype=np.uint64)
    possible = np.zeros(len(trees.feature), dtype=np.uint64)
    possible[leaves] = bits[which.ravel()]
    return possible, values[frequent].reshape(-1, found.shape[1])
