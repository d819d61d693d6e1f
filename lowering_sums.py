"""Ensembles that add up other models, as plain arrays.

Owns: the readers of voting, bagging, stacking with a linear last step, AdaBoost's votes and one
model per output. Shapley values of a sum are the sum of the Shapley values, so an ensemble of
linear models and trees is as exact as its members. Runs in the model's process (numpy only, Python
3.7 syntax); the arrays are described in ``model_lowering``. A reader returns None where a member
is of another form, or where members compare cells in different precision.
"""
# ruff: noqa: ANN401 - estimators of any library

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lowering_sklearn import PREDICTION, PROBABILITY, SIGMOID, SOFTMAX, join_trees, read_tree
from model_width import count_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    Lower = Callable[[Any], Any]

LINEAR = ("coef", "intercept")
NODES = ("feature", "threshold", "missing_left", "value")
ONE_AGAINST_REST = [["proba", "ovr", "log-odds"]]


def add(members: list[Any], weights: Any, forms: list[list[str]]) -> Any:
    """Return the weighted sum of lowered members with the same outputs, or None.

    Parameters
    ----------
    members : list of (meta, arrays)
    weights : sequence of float
    forms : list
        What the sum means.
    """
    weighted = zip(members, weights)  # noqa: B905 - Python 3.7
    scaled = [(meta, _scaled(arrays, weight)) for (meta, arrays), weight in weighted]
    linear = [arrays for meta, arrays in scaled if meta["kind"] != "trees"]
    trees = [arrays for meta, arrays in scaled if meta["kind"] != "linear"]
    rules = {meta["rule"] for meta, _ in scaled if "rule" in meta}
    shapes = {(len(arrays["base"]), arrays["value"].shape[1]) for arrays in trees}
    outputs = {_n_outputs(arrays) for _, arrays in scaled}
    if max(len(outputs), len(rules), len(shapes)) > 1:
        return None
    meta: dict[str, Any] = {"kind": "sum" if linear and trees else scaled[0][0]["kind"]}
    arrays: dict[str, Any] = {}
    if linear:
        arrays.update({name: sum(part[name] for part in linear) for name in LINEAR})
    if trees:
        arrays.update(_joined(trees))
        meta["rule"] = rules.pop()
    return {**meta, "forms": forms}, arrays


def _n_outputs(arrays: dict[str, Any]) -> int:
    """Return the number of outputs of linear models, trees or both."""
    return len(arrays["intercept"] if "intercept" in arrays else arrays["base"])


def _scaled(arrays: dict[str, Any], weight: float) -> dict[str, Any]:
    """Return the arrays with everything that adds to the margin times a weight."""
    names = ("coef", "intercept", "value", "base")
    return {name: part * weight if name in names else part for name, part in arrays.items()}


def _joined(trees: list[dict[str, Any]]) -> dict[str, Any]:
    """Return several sets of trees as one."""
    shifts = np.cumsum([0] + [len(part["feature"]) for part in trees[:-1]])
    arrays = {name: np.concatenate([part[name] for part in trees]) for name in NODES}
    for name in ("left", "right", "root"):
        shifted = [part[name] + shift for part, shift in zip(trees, shifts)]  # noqa: B905 - 3.7
        arrays[name] = np.concatenate(shifted).astype(np.int32)
    arrays["tree_output"] = np.concatenate([part["tree_output"] for part in trees])
    arrays["base"] = sum(part["base"] for part in trees)
    return arrays


def stack(members: list[Any], forms: list[list[str]]) -> Any:
    """Return members of one output each side by side, or None."""
    placed = []
    for number, (meta, arrays) in enumerate(members):
        if _n_outputs(arrays) != 1:
            return None
        placed.append((meta, _placed(arrays, number, len(members))))
    return add(placed, np.ones(len(placed)), forms)


def _placed(arrays: dict[str, Any], number: int, count: int) -> dict[str, Any]:
    """Return a model of one output as one of ``count`` outputs, the others zero."""
    placed = dict(arrays)
    for name in ("coef", "intercept", "base"):
        if name in arrays:
            placed[name] = np.zeros((count, *arrays[name].shape[1:]))
            placed[name][number] = arrays[name][0]
    if "tree_output" in arrays:
        placed["tree_output"] = np.full_like(arrays["tree_output"], number)
    return placed


def _members(estimators: Any, lower: Lower, target: str) -> Any:
    """Return the lowered members that answer ``target`` as their margin, or None."""
    lowered = [lower(estimator) for estimator in estimators]
    for member in lowered:
        if member is None or not _is_plain(member[0], target):
            return None
    return lowered


def _is_plain(meta: dict[str, Any], target: str) -> bool:
    """Tell whether a member has no steps of its own and a margin that is its answer."""
    identity = any(form[:2] == [target, "identity"] for form in meta["forms"])
    return identity and not meta.get("steps")


def _target_of(estimator: Any) -> tuple[str, list[list[str]]]:
    """Return what the members of an averaging ensemble answer, and the form of the average."""
    is_classifier = hasattr(estimator, "classes_")
    return ("proba", PROBABILITY) if is_classifier else ("pred", PREDICTION)


def lower_voting(estimator: Any, lower: Lower) -> Any:
    """Return the average of a ``Voting*`` ensemble; a majority of labels has no form."""
    if getattr(estimator, "voting", "soft") != "soft":
        return None
    target, forms = _target_of(estimator)
    members = _members(estimator.estimators_, lower, target)
    weights = estimator._weights_not_none
    weights = np.ones(len(estimator.estimators_)) if weights is None else np.asarray(weights)
    return None if members is None else add(members, weights / weights.sum(), forms)


def lower_bagging(estimator: Any, lower: Lower) -> Any:
    """Return the average of a ``Bagging*`` ensemble, every member on its own columns."""
    target, forms = _target_of(estimator)
    classes = len(getattr(estimator, "classes_", ()))
    if any(len(getattr(member, "classes_", ())) != classes for member in estimator.estimators_):
        return None  # a member that never saw some class
    members = _members(estimator.estimators_, lower, target)
    if members is None:
        return None
    width = count_columns(estimator)
    columns = [np.asarray(features) for features in estimator.estimators_features_]
    moved = [
        (meta, _on_columns(arrays, features, width))
        for (meta, arrays), features in zip(members, columns)  # noqa: B905 - Python 3.7
    ]
    return add(moved, np.full(len(moved), 1 / len(moved)), forms)


def _on_columns(arrays: dict[str, Any], columns: Any, width: int) -> dict[str, Any]:
    """Return a model of some columns as a model of all."""
    moved = dict(arrays)
    if "feature" in arrays:
        feature = arrays["feature"]
        moved["feature"] = np.where(feature < 0, -1, columns[np.maximum(feature, 0)]).astype("i4")
    if "coef" in arrays:
        moved["coef"] = np.zeros((len(arrays["coef"]), width))
        for number, column in enumerate(columns):  # drawn with replacement, columns repeat
            moved["coef"][:, column] += arrays["coef"][:, number]
    return moved


def lower_stacking(estimator: Any, lower: Lower) -> Any:
    """Return a ``Stacking*`` whose last step is linear in numbers that have a form."""
    is_classifier = hasattr(estimator, "classes_")
    wanted, target = ("predict_proba", "proba") if is_classifier else ("predict", "pred")
    if any(method != wanted for method in estimator.stack_method_):
        return None
    final = lower(estimator.final_estimator_)
    members = _members(estimator.estimators_, lower, target)
    if members is None or final is None or final[0]["kind"] != "linear" or final[0]["steps"]:
        return None
    coef, intercept = final[1]["coef"], final[1]["intercept"]
    if len(intercept) != 1:
        return None
    rest = coef[:, len(members) :] if estimator.passthrough else None
    weights = [*coef[0, : len(members)], 1.0]
    if rest is None:
        rest = np.zeros((1, count_columns(estimator)))
    members = [*members, ({"kind": "linear"}, {"coef": rest, "intercept": intercept})]
    return add(members, weights, SIGMOID if is_classifier else PREDICTION)


def lower_each(estimator: Any, lower: Lower) -> Any:
    """Return one model per output or per class (``MultiOutput*``, ``OneVsRestClassifier``)."""
    members = [lower(member) for member in estimator.estimators_]
    if any(member is None or member[0].get("steps") for member in members):
        return None
    forms = members[0][0]["forms"]
    if any(member[0]["forms"] != forms for member in members):
        return None
    of_classes = hasattr(estimator, "multilabel_") and not estimator.multilabel_
    if of_classes and len(members) > 1 and forms != [["score", "identity", "score"]]:
        if forms[0][1] != "sigmoid":
            return None
        forms = ONE_AGAINST_REST
    return stack(members, forms)


def lower_ada_boost(estimator: Any, lower: Lower) -> Any:
    """Return the weighted votes of ``AdaBoostClassifier`` over trees (SAMME).

    A member gives its class 1 and the others −1/(K−1); ``predict_proba`` is the softmax of the
    weighted mean over K − 1 (Zhu et al., 2009, equation 15), of two classes the sigmoid of the
    difference, which is twice the second.
    """
    trees, n_classes = estimator.estimators_, int(estimator.n_classes_)
    if n_classes < 2 or any(not hasattr(tree, "tree_") for tree in trees):
        return None
    weights = np.asarray(estimator.estimator_weights_[: len(trees)], dtype=np.float64)
    weights = weights / np.sum(estimator.estimator_weights_)
    parts = []
    for tree, weight in zip(trees, weights):  # noqa: B905 - Python 3.7
        if len(tree.classes_) != n_classes:
            return None
        votes = np.eye(n_classes)[tree.tree_.value[:, 0, :].argmax(axis=1)]
        votes = (votes - (1 - votes) / (n_classes - 1)) / (n_classes - 1)
        parts.append(
            read_tree(tree.tree_, weight * (2 * votes[:, 1:] if n_classes == 2 else votes))
        )
    arrays = join_trees(parts)
    arrays["base"] = np.zeros(arrays["value"].shape[1])
    return {
        "kind": "trees",
        "rule": "le32",
        "forms": SIGMOID if n_classes == 2 else SOFTMAX,
    }, arrays


READERS: dict[str, Callable[[Any, Lower], Any]] = {
    "VotingRegressor": lower_voting,
    "VotingClassifier": lower_voting,
    "BaggingRegressor": lower_bagging,
    "BaggingClassifier": lower_bagging,
    "StackingRegressor": lower_stacking,
    "StackingClassifier": lower_stacking,
    "MultiOutputRegressor": lower_each,
    "MultiOutputClassifier": lower_each,
    "OneVsRestClassifier": lower_each,
    "AdaBoostClassifier": lower_ada_boost,
}
