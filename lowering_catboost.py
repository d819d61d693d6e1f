"""CatBoost models as plain arrays.

Owns: ``lower_catboost`` and ``encode``. Numeric columns are compared with borders that CatBoost
tells; a split on categories (one-hot or target statistics) is a number that CatBoost works out
itself, so its outcome is read off the leaf that a row falls into: every bit of the number of a
leaf of a symmetric tree is the outcome of one split. Outcomes that depend on several columns are
found out later, as for any other transformer. Runs in the model's process (numpy only, Python 3.7
syntax); the arrays are described in ``model_lowering``.

Which split stands on which level is only in the serialised model, a flatbuffer
(``catboost/libs/model/flatbuffers/model.fbs``).
"""
# ruff: noqa: ANN401 - estimators of any library

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from lowering_sklearn import LOG_PREDICTION, PREDICTION, SIGMOID, SOFTMAX, join_trees

MAGIC = b"CBM1"
TREES, SPLITS, SIZES, STEP_NODES = 1, 1, 2, 10  # numbers of the fields in their tables
EACH_LABEL = [["proba", "sigmoid", "log-odds"]]


class _Buffer:
    """A reader of the few fields needed of a flatbuffer: a table of offsets before each table."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def follow(self, at: int) -> int:
        """Return the place to which an offset points."""
        return at + int(struct.unpack_from("<I", self.data, at)[0])

    def field(self, table: int, number: int) -> int | None:
        """Return the place of a field of a table, or None where it has its default."""
        offsets = table - int(struct.unpack_from("<i", self.data, table)[0])
        entry = 4 + 2 * number
        if entry >= struct.unpack_from("<H", self.data, offsets)[0]:
            return None
        offset = int(struct.unpack_from("<H", self.data, offsets + entry)[0])
        return table + offset if offset else None

    def integers(self, table: int, number: int) -> Any:
        """Return a vector of 32-bit integers; empty where the field is not there."""
        at = self.field(table, number)
        if at is None:
            return np.empty(0, dtype=np.int64)
        start = self.follow(at)
        count = int(struct.unpack_from("<I", self.data, start)[0])
        return np.frombuffer(self.data, "<i4", count, start + 4).astype(np.int64)


def _splits(model: Any) -> Any:
    """Return the number of the split of every level of every tree; None where not symmetric."""
    data = model._serialize_model()
    if data[:4] != MAGIC:
        return None
    buffer = _Buffer(data[8:])
    trees = buffer.follow(buffer.field(buffer.follow(0), TREES) or 0)
    if len(buffer.integers(trees, STEP_NODES)):
        return None
    sizes = buffer.integers(trees, SIZES)
    return np.split(buffer.integers(trees, SPLITS), np.cumsum(sizes)[:-1]) if len(sizes) else None


def _numeric_columns(model: Any) -> tuple[Any, Any, list[int]]:
    """Return column and border of every numeric split, by number, and the numeric columns."""
    borders = {int(column): values for column, values in model.get_borders().items()}
    columns = sorted(borders)
    of_split = [np.full(len(borders[column]), at) for at, column in enumerate(columns)]
    limits = [np.asarray(borders[column], dtype=np.float64) for column in columns]
    return np.concatenate([*of_split, []]).astype(np.int64), np.concatenate([*limits, []]), columns


def _outcomes(splits: list[Any], n_numeric: int) -> dict[int, tuple[int, int]]:
    """Return a tree and a level for every split that is not numeric."""
    found: dict[int, tuple[int, int]] = {}
    for tree, levels in enumerate(splits):
        for level, split in enumerate(levels.tolist()):
            if split >= n_numeric:
                found.setdefault(split, (tree, level))
    return found


def encode(model: Any, data: Any) -> Any:
    """Return the numeric columns, then the outcomes of the splits on categories (0 or 1).

    Parameters
    ----------
    model : fitted CatBoost model
    data : DataFrame or ndarray, shape (n, d)
        What ``model.predict`` accepts.
    """
    splits = _splits(model)
    if splits is None:
        return data
    of_split, _, columns = _numeric_columns(model)
    part = data.iloc[:, columns] if hasattr(data, "iloc") else np.asarray(data)[:, columns]
    numbers = np.asarray(part, dtype=np.float64).reshape(len(data), len(columns))
    outcomes = _outcomes(splits, len(of_split))
    if not outcomes:
        return numbers
    leaves = model.calc_leaf_indexes(data).astype(np.int64)
    bits = [(leaves[:, tree] >> level) & 1 for tree, level in outcomes.values()]
    return np.column_stack([numbers, *bits])


def lower_catboost(model: Any) -> Any:
    """Return a fitted CatBoost model of symmetric trees."""
    splits = _splits(model)
    if splits is None:
        return None
    of_split, limits, columns = _numeric_columns(model)
    outcomes = _outcomes(splits, len(of_split))
    feature = dict(enumerate(of_split.tolist()))
    feature.update({split: len(columns) + at for at, split in enumerate(outcomes)})
    border = dict(enumerate(limits.tolist()))
    scale, bias = model.get_scale_and_bias()
    base = np.atleast_1d(np.asarray(bias, dtype=np.float64))
    n_leaves = sum(2 ** len(levels) for levels in splits)
    values = scale * np.asarray(model.get_leaf_values(), dtype=np.float64).reshape(n_leaves, -1)
    missing_left = model.get_all_params().get("nan_mode") != "Max"
    parts, start = [], 0
    for levels in splits:
        names = levels.tolist()
        end = start + 2 ** len(names)
        conditions = [(feature[name], border.get(name, 0.5)) for name in names]
        parts.append(_symmetric_tree(conditions, values[start:end], missing_left=missing_left))
        start = end
    arrays = join_trees(parts)
    arrays["base"] = np.array(np.broadcast_to(base, (values.shape[1],)))
    forms = _forms(model, values.shape[1])
    return {"kind": "trees", "rule": "le32", "forms": forms, "steps": True}, arrays


def _symmetric_tree(
    conditions: list[tuple[int, float]], values: Any, *, missing_left: bool
) -> dict[str, Any]:
    """Return a tree with one condition per level; leaf *p* is where bit *i* of *p* met the i-th."""
    depth = len(conditions)
    n_nodes = 2 ** (depth + 1) - 1
    feature, threshold = np.full(n_nodes, -1), np.zeros(n_nodes)
    left, right = np.full(n_nodes, -1), np.full(n_nodes, -1)
    for level, (column, limit) in enumerate(conditions):
        here = np.arange(2**level - 1, 2 ** (level + 1) - 1)
        feature[here], threshold[here] = column, limit
        left[here] = here + 2**level
        right[here] = here + 2 ** (level + 1)
    value = np.zeros((n_nodes, values.shape[1]))
    value[2**depth - 1 :] = values
    return {
        "feature": feature,
        "threshold": threshold,
        "left": left,
        "right": right,
        "missing_left": np.full(n_nodes, missing_left),
        "value": value,
        "output": -1,
    }


def _forms(model: Any, n_outputs: int) -> list[list[str]]:
    """Return what the sum of the leaves may mean."""
    if len(getattr(model, "classes_", ())) == 0:
        return PREDICTION + LOG_PREDICTION
    return SIGMOID if n_outputs == 1 else SOFTMAX + EACH_LABEL


READERS: dict[str, Callable[[Any], Any]] = {
    "CatBoost": lower_catboost,
    "CatBoostClassifier": lower_catboost,
    "CatBoostRegressor": lower_catboost,
    "CatBoostRanker": lower_catboost,
}
