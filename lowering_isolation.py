"""Isolation forests as plain arrays.

Owns: ``lower_isolation_forest``. A tree isolates a row by the number of splits on its way plus
what splitting the rest of its leaf would take on average, c(n) = 2·H(n−1) − 2(n−1)/n (Liu, Ting and
Zhou, 2008, equation 1). The margin is the mean over the trees, in splits, and the score of the
model is −2^(−margin/c(rows per tree)). Runs in the model's process (numpy only, Python 3.7
syntax); the arrays are described in ``model_lowering``.
"""
# ruff: noqa: ANN401 - estimators of any library

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lowering_sklearn import join_trees, read_tree

FORMS = [["score", "isolation", "path length"]]


def _further_splits(n_rows: Any) -> Any:
    """Return how many splits isolate one of ``n_rows`` rows on average.

    Examples
    --------
    >>> _further_splits(np.array([1, 2, 256])).round(2).tolist()
    [0.0, 1.0, 10.24]
    """
    rows = np.maximum(np.asarray(n_rows, dtype=np.float64), 2.0)
    harmonic = np.log(np.maximum(rows - 1.0, 1.0)) + np.euler_gamma
    splits = np.where(rows == 2, 1.0, 2.0 * harmonic - 2.0 * (rows - 1.0) / rows)
    return np.where(np.asarray(n_rows) < 2, 0.0, splits)


def _depths(tree: Any) -> Any:
    """Return the number of splits above every node; children stand behind their parents."""
    depths = np.zeros(len(tree.feature))
    for node in np.flatnonzero(tree.children_left >= 0):
        depths[[tree.children_left[node], tree.children_right[node]]] = depths[node] + 1
    return depths


def lower_isolation_forest(estimator: Any) -> Any:
    """Return an ``IsolationForest``; trees of a single row have no score."""
    scale = float(_further_splits(estimator.max_samples_))
    if scale <= 0:
        return None
    parts = []
    members = zip(estimator.estimators_, estimator.estimators_features_)  # noqa: B905 - 3.7
    for member, columns in members:
        tree = member.tree_
        lengths = _depths(tree) + _further_splits(tree.n_node_samples)
        part = read_tree(tree, lengths.reshape(-1, 1) / len(estimator.estimators_))
        part["feature"] = np.asarray(columns)[np.maximum(tree.feature, 0)]
        parts.append(part)
    arrays = join_trees(parts)
    arrays["base"] = np.zeros(1)
    meta = {"kind": "trees", "rule": "le32", "forms": FORMS}
    return {**meta, "isolation": [scale, float(estimator.offset_)]}, arrays


READERS: dict[str, Callable[[Any], Any]] = {"IsolationForest": lower_isolation_forest}
