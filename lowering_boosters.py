"""XGBoost and LightGBM models as plain arrays.

Owns: the readers of both libraries' own model formats. Runs in the model's process (standard
library and numpy, Python 3.7 syntax); the arrays are described in ``model_lowering``. A reader
returns None for what it does not know (linear leaves, vector leaves, zeros as missing, custom
objectives): such a model is explained through its predictions instead.
"""
# ruff: noqa: ANN401 - estimators of any library

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lowering_categories import add_sets, bits_of
from lowering_sklearn import LOG_PREDICTION, PREDICTION, SIGMOID, SOFTMAX, join_trees

LOGISTIC_PREDICTION = [["pred", "sigmoid", "log-odds"]]

XGBOOST_FORMS = {
    "binary:logistic": SIGMOID + LOGISTIC_PREDICTION,
    "reg:logistic": LOGISTIC_PREDICTION,
    "multi:softprob": SOFTMAX,
    "multi:softmax": SOFTMAX,
    "count:poisson": LOG_PREDICTION,
    "reg:gamma": LOG_PREDICTION,
    "reg:tweedie": LOG_PREDICTION,
    "survival:cox": LOG_PREDICTION,
    "survival:aft": LOG_PREDICTION,
}
LIGHTGBM_FORMS = {
    "binary": SIGMOID + LOGISTIC_PREDICTION,
    "multiclass": SOFTMAX,
    "poisson": LOG_PREDICTION,
    "gamma": LOG_PREDICTION,
    "tweedie": LOG_PREDICTION,
    "cross_entropy": LOGISTIC_PREDICTION,
}
CATEGORICAL, DEFAULT_LEFT = 1, 2
MISSING_SHIFT, MISSING_NONE, MISSING_ZERO = 2, 0, 1


def lower_xgboost(estimator: Any) -> Any:
    """Return a fitted ``XGB*`` estimator or ``Booster``."""
    missing = getattr(estimator, "missing", math.nan)
    if missing is not None and not (isinstance(missing, float) and math.isnan(missing)):
        return None
    booster = estimator.get_booster() if hasattr(estimator, "get_booster") else estimator
    learner = json.loads(bytes(booster.save_raw("json")).decode("utf-8"))["learner"]
    objective = learner["objective"]["name"]
    base = _xgboost_base(learner["learner_model_param"], objective)
    forms = XGBOOST_FORMS.get(objective, PREDICTION)
    if learner["gradient_booster"]["name"] == "gblinear":
        arrays = _xgboost_linear(learner["gradient_booster"]["model"], base)
        return {"kind": "linear", "forms": forms}, arrays
    model, weights = _xgboost_trees(learner["gradient_booster"])
    # only the scikit-learn interface stops at the best iteration of its own accord
    best = booster.attributes().get("best_iteration") if booster is not estimator else None
    count = _trees_used(model, best)
    trees = model["trees"][:count]
    if not trees or any(_is_unknown_xgboost_tree(tree) for tree in trees):
        return None
    parts = [
        _read_xgboost_tree(tree, weights[index], model["tree_info"][index])
        for index, tree in enumerate(trees)
    ]
    arrays = join_trees(parts)
    arrays["base"] = base
    meta = {"kind": "trees", "rule": "lt32", "forms": forms}
    return _with_sets(meta, arrays, parts, int(learner["learner_model_param"]["num_feature"]))


def _with_sets(meta: Any, arrays: Any, parts: list[dict[str, Any]], n_columns: int) -> Any:
    """Return the model with its splits on categories, or None where they are too many."""
    told = add_sets(arrays, parts, n_columns)
    return None if told is None else ({**meta, **told}, arrays)


def _xgboost_linear(model: dict[str, Any], base: Any) -> dict[str, Any]:
    """Return the linear booster: a row of weights per column, the last row is the bias."""
    weights = np.asarray(model["weights"], dtype=np.float64).reshape(-1, len(base))
    return {"coef": weights[:-1].T.copy(), "intercept": weights[-1] + base}


def _xgboost_trees(booster: dict[str, Any]) -> tuple[Any, Any]:
    """Return the trees' part of a booster and the weight of each tree."""
    if booster["name"] == "dart":
        return booster["gbtree"]["model"], np.asarray(booster["weight_drop"], dtype=np.float64)
    return booster["model"], np.ones(len(booster["model"]["trees"]))


def _trees_used(model: dict[str, Any], best_iteration: Any) -> int:
    """Return how many trees predict: up to the best iteration after early stopping."""
    if best_iteration is None:
        return len(model["trees"])
    return int(model["iteration_indptr"][int(best_iteration) + 1])


def _is_unknown_xgboost_tree(tree: dict[str, Any]) -> bool:
    """Tell whether a tree has vectors at its leaves."""
    return int(tree["tree_param"].get("size_leaf_vector", "1")) > 1


def _read_xgboost_tree(tree: dict[str, Any], weight: float, output: int) -> dict[str, Any]:
    """Return one tree; at a leaf the condition field holds the leaf's value."""
    left = np.asarray(tree["left_children"], dtype=np.int64)
    numbers = np.asarray(tree["split_conditions"], dtype=np.float64)
    return {
        "feature": np.asarray(tree["split_indices"], dtype=np.int64),
        "threshold": numbers,
        "left": left,
        "right": np.asarray(tree["right_children"], dtype=np.int64),
        "missing_left": np.asarray(tree["default_left"], dtype=np.uint8),
        "value": np.where(left < 0, weight * numbers, 0.0).reshape(-1, 1),
        "output": output,
        "sets": _xgboost_sets(tree),
    }


def _xgboost_sets(tree: dict[str, Any]) -> list[tuple[int, Any]]:
    """Return which codes go left at the splits on categories: those that are not listed."""
    found = []
    listed = zip(  # noqa: B905 - Python 3.7
        tree.get("categories_nodes", ()),
        tree.get("categories_segments", ()),
        tree.get("categories_sizes", ()),
    )
    for node, start, size in listed:
        codes = np.asarray(tree["categories"][start : start + size], dtype=np.int64)
        goes_left = np.ones(codes.max() + 2, dtype=np.uint8)
        goes_left[codes] = 0
        found.append((node, goes_left))
    return found


def _xgboost_base(parameters: dict[str, Any], objective: str) -> np.ndarray[Any, Any]:
    """Return the margin every row starts from; ``base_score`` is a number or, newer, a vector."""
    n_outputs = max(int(parameters["num_class"]), int(parameters.get("num_target", "1")), 1)
    score = np.atleast_1d(np.asarray(json.loads(parameters["base_score"]), dtype=np.float64))
    if objective in ("binary:logistic", "reg:logistic"):
        score = np.log(score) - np.log1p(-score)
    elif XGBOOST_FORMS.get(objective) is LOG_PREDICTION:
        score = np.log(score)
    return np.array(np.broadcast_to(score, (n_outputs,)))


def lower_lightgbm(estimator: Any) -> Any:
    """Return a fitted ``LGBM*`` estimator or ``Booster``."""
    booster = getattr(estimator, "booster_", estimator)
    header, trees = _lightgbm_text(booster.model_to_string())
    if not trees or any(_is_unknown_lightgbm_tree(tree) for tree in trees):
        return None
    n_outputs = int(header["num_tree_per_iteration"])
    objective = header.get("objective", "regression").split()
    scale = _lightgbm_scale(objective)
    if "average_output" in header:
        scale *= n_outputs / len(trees)
    parts = [_read_lightgbm_tree(tree, scale, i % n_outputs) for i, tree in enumerate(trees)]
    arrays = join_trees(parts)
    arrays["base"] = np.zeros(n_outputs)
    forms = LIGHTGBM_FORMS.get(objective[0], PREDICTION)
    meta = {"kind": "trees", "rule": "le64", "forms": forms}
    return _with_sets(meta, arrays, parts, int(header["max_feature_idx"]) + 1)


def _lightgbm_text(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return the fields of the header and of each tree of a LightGBM model text."""
    blocks = text.split("end of trees")[0].split("\nTree=")
    fields = [
        {name: value for name, _, value in (line.partition("=") for line in block.splitlines())}
        for block in blocks
    ]
    return fields[0], fields[1:]


def _lightgbm_scale(objective: list[str]) -> float:
    """Return the factor from the raw sum to the log-odds (``sigmoid:`` of a binary model)."""
    for word in objective[1:]:
        name, _, value = word.partition(":")
        if objective[0] == "binary" and name == "sigmoid":
            return float(value)
    return 1.0


def _is_unknown_lightgbm_tree(tree: dict[str, str]) -> bool:
    """Tell whether a tree has linear leaves or takes zeros as missing."""
    if tree.get("is_linear", "0") != "0":
        return True
    kinds = (_numbers(tree, "decision_type").astype(np.int64) >> MISSING_SHIFT) & 3
    return bool(np.any(kinds == MISSING_ZERO))


def _numbers(tree: dict[str, str], name: str) -> np.ndarray[Any, Any]:
    """Return one field of a tree as numbers; empty where the tree is a single leaf."""
    return np.array(tree.get(name, "").split(), dtype=np.float64)


def _read_lightgbm_tree(tree: dict[str, str], scale: float, output: int) -> dict[str, Any]:
    """Return one tree, the inner nodes first, then the leaves (children: ~leaf)."""
    leaves = scale * _numbers(tree, "leaf_value")
    inner = np.empty(0) if len(leaves) == 1 else _numbers(tree, "split_feature")
    n_inner, n_leaves = len(inner), len(leaves)
    none = np.full(n_leaves, -1)
    children = {}
    for side in ("left", "right"):
        child = _numbers(tree, side + "_child").astype(np.int64)[:n_inner]
        children[side] = np.concatenate([np.where(child < 0, n_inner + ~child, child), none])
    threshold = _numbers(tree, "threshold")[:n_inner]
    kinds = _numbers(tree, "decision_type").astype(np.int64)[:n_inner]
    # without a missing type a missing value counts as zero
    is_none = (kinds >> MISSING_SHIFT) & 3 == MISSING_NONE
    missing_left = np.where(is_none, threshold >= 0, (kinds & DEFAULT_LEFT) > 0)
    on_categories = (kinds & CATEGORICAL) > 0
    missing_left &= ~on_categories
    return {
        "feature": np.concatenate([inner, none]).astype(np.int64),
        "threshold": np.concatenate([threshold, np.zeros(n_leaves)]),
        "left": children["left"],
        "right": children["right"],
        "missing_left": np.concatenate([missing_left, np.zeros(n_leaves, dtype=bool)]),
        "value": np.concatenate([np.zeros(n_inner), leaves]).reshape(-1, 1),
        "output": output,
        "sets": _lightgbm_sets(tree, np.flatnonzero(on_categories), threshold),
    }


def _lightgbm_sets(tree: dict[str, str], nodes: Any, threshold: Any) -> list[tuple[int, Any]]:
    """Return which codes go left at the splits on categories: those whose bit is set."""
    ends, words = _numbers(tree, "cat_boundaries"), _numbers(tree, "cat_threshold")
    ends = ends.astype(np.int64)
    found = []
    for node in nodes.tolist():
        number = int(threshold[node])
        bits = bits_of(words[None, ends[number] : ends[number + 1]])[0]
        found.append((node, np.append(bits, np.uint8(0))))
    return found


def lower_booster(booster: Any) -> Any:
    """Return a bare booster of either library."""
    is_xgboost = type(booster).__module__.startswith("xgboost")
    return (lower_xgboost if is_xgboost else lower_lightgbm)(booster)


READERS: dict[str, Callable[[Any], Any]] = {
    "Booster": lower_booster,
    "XGBClassifier": lower_xgboost,
    "XGBRegressor": lower_xgboost,
    "XGBRFClassifier": lower_xgboost,
    "XGBRFRegressor": lower_xgboost,
    "XGBRanker": lower_xgboost,
    "LGBMClassifier": lower_lightgbm,
    "LGBMRegressor": lower_lightgbm,
    "LGBMRanker": lower_lightgbm,
}
