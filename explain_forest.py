"""A lowered forest as arrays, and the game that explains it.

Owns: ``Trees`` (with ``from_lowered``, ``evaluate`` and the ways down) and ``TreeGame``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_types import Lowered

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


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

    def without(self, parts: list[Integers]) -> Trees:
        """Return the trees that are in none of the parts."""
        kept = np.ones(len(self.root), dtype=bool)
        for part in parts:
            kept[part] = False
        return replace(self, root=self.root[kept], tree_output=self.tree_output[kept])

    def inner_levels(self) -> list[Integers]:
        """Return the nodes with a condition, level by level from the roots."""
        levels: list[Integers] = []
        nodes = self.root
        while True:
            nodes = nodes[self.feature[nodes] >= 0]
            if not len(nodes):
                return levels
            levels.append(nodes)
            nodes = np.concatenate([self.left[nodes], self.right[nodes]])


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
    narrow = threshold.astype(np.float32)
    with np.errstate(over="ignore"):  # CatBoost's border for missing values has nothing below it
        below = np.nextafter(narrow, np.float32(-np.inf))
    return below if rule == "lt32" else np.where(narrow > threshold, below, narrow)


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


def evaluate(trees: Trees, matrix: Floats) -> Floats:
    """Return the margins of the trees, shape (n, outputs)."""
    inputs = as_inputs(trees, matrix)
    n_rows, has_missing = len(inputs), bool(np.isnan(inputs).any())
    at = np.broadcast_to(trees.root, (n_rows, len(trees.root)))
    starts = np.arange(n_rows)[:, None] * inputs.shape[1]
    for _ in trees.inner_levels():
        cells = inputs.take(starts + trees.feature.take(at))
        goes_left = cells <= trees.threshold.take(at)
        if has_missing:
            goes_left |= np.isnan(cells) & trees.missing_left.take(at)
        at = np.where(goes_left, trees.left.take(at), trees.right.take(at))
    result = np.tile(trees.base, (n_rows, 1))
    for output in range(trees.n_outputs):
        serves = (trees.tree_output == output) | (trees.tree_output < 0)
        column = output if trees.value.shape[1] > 1 else 0
        result[:, output] += trees.value[at[:, serves], column].sum(axis=1)
    return result


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


def decide(
    trees: Trees, nodes: Integers, inputs: NDArray[Any], *, has_missing: bool
) -> NDArray[np.bool_]:
    """Return which rows go left at each node, (nodes, n), from inputs of shape (k, n)."""
    cells = inputs[trees.feature[nodes]]
    goes_left: NDArray[np.bool_] = cells <= trees.threshold[nodes][:, None]
    if has_missing:
        goes_left |= np.isnan(cells) & trees.missing_left[nodes][:, None]
    return goes_left
