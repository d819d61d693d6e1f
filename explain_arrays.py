"""Whether the arrays that came from the model's process are a sound model.

Owns: ``check_lowered``. A model's process is not trusted: arrays that point outside themselves,
turn in circles or have other shapes than promised are refused before anything follows them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import ModelProtocolError
from model_types import Lowered

MAX_DEPTH = 1000
MAX_OUTPUTS = 10_000
KINDS = ("linear", "trees", "sum")
TARGETS = ("proba", "score", "pred")
LINKS = ("identity", "exp", "sigmoid", "softmax", "ovr", "isolation")
SPACES = ("probability", "log-odds", "score", "prediction", "log(prediction)", "path length")
RULES = ("le32", "lt32", "le64")

Arrays = Mapping[str, NDArray[Any]]


def check_lowered(lowered: Lowered) -> None:
    """Refuse a lowered model that is not what ``model_lowering`` promises.

    Raises
    ------
    ModelProtocolError
        Saying what is wrong with it.
    """
    forms = lowered.meta.get("forms")
    _require(isinstance(forms, list) and bool(forms), "it does not say what its margin means")
    for form in forms or ():
        known = isinstance(form, list) and len(form) == 3
        known = known and form[0] in TARGETS and form[1] in LINKS and form[2] in SPACES
        known = known and (form[1] != "isolation" or _is_scale(lowered.meta.get("isolation")))
        _require(known, "its margin has an unknown meaning")
    kind = lowered.meta.get("kind")
    _require(kind in KINDS, "its kind is unknown")
    if kind != "trees":
        _check_linear(lowered.arrays)
    if kind != "linear":
        _require(lowered.meta.get("rule") in RULES, "its comparison is unknown")
        _check_trees(lowered.arrays)
        if "set_feature" in lowered.arrays:
            _check_sets(lowered.arrays, lowered.meta.get("columns"))
    if kind == "sum":
        _check_sum(lowered.arrays)


def _require(condition: bool, what: str) -> None:
    if not condition:
        message = f"The model's process sent a copy of the model that is unusable: {what}."
        raise ModelProtocolError(message)


def _is_scale(numbers: object) -> bool:
    """Tell whether these are a positive length and an offset."""
    if not isinstance(numbers, list) or len(numbers) != 2:
        return False
    known = all(isinstance(number, float) and math.isfinite(number) for number in numbers)
    return known and numbers[0] > 0


def _check_shapes(arrays: Arrays, dimensions: Mapping[str, int]) -> None:
    for name, wanted in dimensions.items():
        array = arrays.get(name)
        sound = array is not None and array.ndim == wanted and array.dtype.kind in "iufb"
        _require(sound, f"{name} is missing or of a wrong form")


def _check_linear(arrays: Arrays) -> None:
    _check_shapes(arrays, {"coef": 2, "intercept": 1})
    outputs = len(arrays["intercept"])
    _require(0 < outputs <= MAX_OUTPUTS, "it has no or too many outputs")
    _require(arrays["coef"].shape[0] == outputs, "its parts are of different sizes")


def _check_sum(arrays: Arrays) -> None:
    """Require that the linear part has the outputs and the columns of the trees."""
    same = len(arrays["intercept"]) == len(arrays["base"])
    same = same and int(arrays["feature"].max()) < arrays["coef"].shape[1]
    _require(same, "its parts are of different sizes")


def _check_sets(arrays: Arrays, n_columns: object) -> None:
    """Require that sets of categories belong to columns and the trees to columns and sets."""
    _check_shapes(arrays, {"set_feature": 1, "set_left": 2})
    owners, codes = arrays["set_feature"], arrays["set_left"].shape
    same = isinstance(n_columns, int) and 0 < len(owners) == codes[0] and codes[1] > 0
    _require(same, "its sets of categories are of different sizes")
    if isinstance(n_columns, int):
        inside = owners.min() >= 0 and owners.max() < n_columns
        inside = inside and arrays["feature"].max() < n_columns + len(owners)
        _require(bool(inside), "its sets of categories belong to no column")


def _check_trees(arrays: Arrays) -> None:
    per_node = ("feature", "threshold", "left", "right", "missing_left")
    vectors = dict.fromkeys((*per_node, "root", "tree_output", "base"), 1)
    _check_shapes(arrays, {**vectors, "value": 2})
    n_nodes, n_outputs = len(arrays["feature"]), len(arrays["base"])
    same = all(len(arrays[name]) == n_nodes for name in (*per_node, "value"))
    same = same and len(arrays["root"]) == len(arrays["tree_output"]) > 0
    _require(same, "its parts are of different sizes")
    _require(0 < n_outputs <= MAX_OUTPUTS, "it has no or too many outputs")
    width, served = arrays["value"].shape[1], arrays["tree_output"]
    single = width == 1 and served.min() >= min(n_outputs - 2, 0) and served.max() < n_outputs
    _require(single or (width == n_outputs and bool(np.all(served == -1))), "its leaves do not fit")
    _check_children(arrays)


def _check_children(arrays: Arrays) -> None:
    """Require that every node is reached exactly once, by its parent or as a root."""
    n_nodes = len(arrays["feature"])
    inner = np.flatnonzero(arrays["feature"] >= 0)
    children = np.concatenate([arrays["left"][inner], arrays["right"][inner]]).astype(np.int64)
    reached = np.concatenate([children, arrays["root"].astype(np.int64)])
    inside = bool(np.all((reached >= 0) & (reached < n_nodes)))
    forward = bool(np.all(children > np.concatenate([inner, inner])))
    _require(inside and forward, "its nodes point astray")
    once = np.bincount(reached, minlength=n_nodes) == 1
    _require(bool(once.all()), "its nodes are not trees")
    nodes, depth = arrays["root"].astype(np.int64), 0
    while len(nodes):
        _require(depth <= MAX_DEPTH, f"its trees are deeper than {MAX_DEPTH}")
        nodes, depth = nodes[arrays["feature"][nodes] >= 0], depth + 1
        nodes = np.concatenate([arrays["left"][nodes], arrays["right"][nodes]]).astype(np.int64)
