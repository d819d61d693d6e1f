"""Linear models, naive Bayes of counts and scikit-learn's trees as plain arrays.

Owns: the readers of linear models, decision trees, forests, gradient boosting and histogram
gradient boosting. Runs in the model's process (numpy only, Python 3.7 syntax); the arrays are
described in ``model_lowering``. A reader returns None where it does not know the form; it never
imports scikit-learn, the attributes of the fitted estimator are enough.
"""
# ruff: noqa: ANN401 - estimators of any library

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lowering_categories import add_sets, bits_of
from model_width import count_columns

PROBABILITY = [["proba", "identity", "probability"]]
PREDICTION = [["pred", "identity", "prediction"]]
LOG_PREDICTION = [["pred", "exp", "log(prediction)"]]
SIGMOID = [["proba", "sigmoid", "log-odds"]]
SOFTMAX = [["proba", "softmax", "log-odds"]]


def lower_linear(estimator: Any) -> Any:
    """Return anything with ``coef_`` and ``intercept_`` as coefficients and intercepts."""
    coefficients = getattr(estimator, "coef_", None)
    intercept = getattr(estimator, "intercept_", None)
    if coefficients is None or intercept is None:
        return None
    if hasattr(coefficients, "toarray"):
        coefficients = coefficients.toarray()
    coef = np.atleast_2d(np.asarray(coefficients, dtype=np.float64))
    if coef.ndim != 2 or coef.size == 0:
        return None
    offset = np.broadcast_to(np.asarray(intercept, dtype=np.float64).ravel(), (coef.shape[0],))
    center = getattr(estimator, "_x_mean", None)  # PLS regression centres its input
    if center is not None:
        offset = offset - coef @ np.asarray(center, dtype=np.float64)
    meta = {"kind": "linear", "forms": _linear_forms(estimator, coef.shape[0])}
    return meta, {"coef": coef, "intercept": np.array(offset)}


def lower_naive_bayes(estimator: Any) -> Any:
    """Return multinomial or complement naive Bayes: log-likelihoods are linear in the counts.

    ``predict_proba`` is the softmax of counts × log-probabilities + log-priors (Manning,
    Raghavan and Schütze, 2008, section 13.2); the complement form has no priors.
    """
    coef = np.asarray(estimator.feature_log_prob_, dtype=np.float64)
    prior = np.asarray(estimator.class_log_prior_, dtype=np.float64)
    if type(estimator).__name__ == "ComplementNB" and len(coef) > 1:
        prior = np.zeros(len(coef))
    if len(coef) != 2:
        return {"kind": "linear", "forms": SOFTMAX}, {"coef": coef, "intercept": prior}
    arrays = {"coef": coef[1:] - coef[:1], "intercept": prior[1:] - prior[:1]}
    return {"kind": "linear", "forms": SIGMOID}, arrays


def _linear_forms(estimator: Any, n_outputs: int) -> list[list[str]]:
    """Return what the margins of a linear model may mean."""
    if _is_classifier(estimator):
        if not hasattr(estimator, "predict_proba"):
            return [["score", "identity", "score"]]
        if n_outputs == 1:
            return SIGMOID
        return [*SOFTMAX, ["proba", "ovr", "log-odds"]]
    if hasattr(estimator, "decision_function"):
        return [["score", "identity", "score"]]
    return PREDICTION + LOG_PREDICTION


def _is_classifier(estimator: Any) -> bool:
    """Tell whether an estimator has classes (an empty array counts as none)."""
    return len(getattr(estimator, "classes_", ())) > 0


def join_trees(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return single trees as one set of arrays with absolute node numbers.

    Parameters
    ----------
    parts : list of dict
        Each with ``feature``, ``threshold``, ``left``, ``right`` (own numbering, negative at a
        leaf), ``missing_left``, ``value`` (nodes, width) and ``output``.
    """
    sizes = np.array([len(part["feature"]) for part in parts], dtype=np.int64)
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    shift = np.repeat(roots, sizes)
    joined = {
        name: np.concatenate([np.asarray(part[name]) for part in parts])
        for name in ("feature", "threshold", "left", "right", "missing_left", "value")
    }
    leaf = joined["left"] < 0
    own = np.arange(len(leaf))
    return {
        "feature": np.where(leaf, -1, joined["feature"]).astype(np.int32),
        "threshold": joined["threshold"].astype(np.float64),
        "left": np.where(leaf, own, joined["left"] + shift).astype(np.int32),
        "right": np.where(leaf, own, joined["right"] + shift).astype(np.int32),
        "missing_left": joined["missing_left"].astype(np.uint8),
        "value": joined["value"].astype(np.float64),
        "root": roots.astype(np.int32),
        "tree_output": np.array([part["output"] for part in parts], dtype=np.int32),
    }


def read_tree(tree: Any, value: Any, output: int = -1) -> dict[str, Any]:
    """Return one scikit-learn ``tree_`` with the given values (nodes, width)."""
    n_nodes = len(tree.feature)
    missing_left = getattr(tree, "missing_go_to_left", None)
    return {
        "feature": tree.feature,
        "threshold": tree.threshold,
        "left": tree.children_left.astype(np.int64),
        "right": tree.children_right.astype(np.int64),
        "missing_left": np.zeros(n_nodes, np.uint8) if missing_left is None else missing_left,
        "value": value,
        "output": output,
    }


def lower_tree(estimator: Any) -> Any:
    """Return one decision or extra tree."""
    return _average([estimator], estimator)


def lower_forest(estimator: Any) -> Any:
    """Return a random forest or extra trees: the average of its trees."""
    return _average(list(estimator.estimators_), estimator)


def _average(trees: list[Any], estimator: Any) -> Any:
    """Return trees whose leaves are averaged: probabilities, or predictions."""
    values = [_leaf_values(tree) for tree in trees]
    if any(value is None for value in values):
        return None
    parts = [read_tree(tree.tree_, values[index] / len(trees)) for index, tree in enumerate(trees)]
    arrays = join_trees(parts)
    arrays["base"] = np.zeros(arrays["value"].shape[1])
    is_classifier = hasattr(estimator, "predict_proba")
    forms = PROBABILITY if is_classifier else PREDICTION
    return {"kind": "trees", "rule": "le32", "forms": forms}, arrays


def _leaf_values(estimator: Any) -> Any:
    """Return P(class) per node, (nodes, outputs), or the predicted numbers."""
    value = estimator.tree_.value
    if not hasattr(estimator, "predict_proba"):
        return value[:, :, 0]
    totals = value.sum(axis=2, keepdims=True)
    shares = value / np.where(totals == 0, 1.0, totals)
    if value.shape[1] == 1:
        return shares[:, 0, 1:2] if value.shape[2] == 2 else shares[:, 0, :]
    if value.shape[2] != 2 or np.any(np.asarray(estimator.n_classes_) != 2):
        return None  # several class outputs that are not all binary
    return shares[:, :, 1]


def lower_gradient_boosting(estimator: Any) -> Any:
    """Return ``GradientBoosting*`` with a constant start."""
    start = estimator.init_
    if not (start == "zero" if isinstance(start, str) else "Dummy" in type(start).__name__):
        return None
    n_outputs = estimator.estimators_.shape[1]
    forms, factor = _boosting_forms(estimator, n_outputs)
    scale = factor * estimator.learning_rate
    parts = [
        read_tree(tree.tree_, scale * tree.tree_.value[:, :, 0], output)
        for stage in estimator.estimators_
        for output, tree in enumerate(stage)
    ]
    arrays = join_trees(parts)
    zeros = np.zeros((1, count_columns(estimator)), dtype=np.float32)
    arrays["base"] = factor * np.asarray(estimator._raw_predict_init(zeros), np.float64).ravel()
    return {"kind": "trees", "rule": "le32", "forms": forms}, arrays


def _boosting_forms(estimator: Any, n_outputs: int) -> tuple[list[list[str]], float]:
    """Return the forms of a boosted model and the factor from its raw sum to the margin."""
    if not _is_classifier(estimator):
        return PREDICTION + LOG_PREDICTION, 1.0
    if n_outputs > 1:
        return SOFTMAX, 1.0
    return SIGMOID, 2.0 if getattr(estimator, "loss", "") == "exponential" else 1.0


def lower_hist_gradient_boosting(estimator: Any) -> Any:
    """Return ``HistGradientBoosting*``; its own encoder puts categories first."""
    stages = estimator._predictors
    n_outputs = len(stages[0])
    trees = [tree for stage in stages for tree in stage]
    parts = [_read_hist(tree, index % n_outputs) for index, tree in enumerate(trees)]
    arrays = join_trees(parts)
    arrays["base"] = np.asarray(estimator._baseline_prediction, np.float64).ravel()
    told = add_sets(arrays, parts, count_columns(estimator))
    if told is None:
        return None
    forms, _ = _boosting_forms(estimator, n_outputs)
    encoded = getattr(estimator, "_preprocessor", None) is not None
    meta = {"kind": "trees", "rule": "le64", "forms": forms, "steps": encoded}
    return {**meta, **told}, arrays


def _read_hist(tree: Any, output: int) -> dict[str, Any]:
    """Return one tree of histogram gradient boosting."""
    nodes = tree.nodes
    leaf = nodes["is_leaf"].astype(bool)
    on_categories = np.flatnonzero(nodes["is_categorical"] & ~leaf)
    bitsets = np.asarray(tree.raw_left_cat_bitsets).reshape(-1, 8)
    goes_left = bits_of(bitsets[nodes["bitset_idx"][on_categories]])
    return {
        "feature": nodes["feature_idx"].astype(np.int64),
        "threshold": nodes["num_threshold"],
        "left": np.where(leaf, -1, nodes["left"].astype(np.int64)),
        "right": np.where(leaf, -1, nodes["right"].astype(np.int64)),
        "missing_left": nodes["missing_go_to_left"],
        "value": nodes["value"].reshape(-1, 1),
        "output": output,
        "sets": list(zip(on_categories.tolist(), goes_left)),  # noqa: B905 - Python 3.7
    }


READERS: dict[str, Callable[[Any], Any]] = {
    "DecisionTreeClassifier": lower_tree,
    "DecisionTreeRegressor": lower_tree,
    "ExtraTreeClassifier": lower_tree,
    "ExtraTreeRegressor": lower_tree,
    "RandomForestClassifier": lower_forest,
    "RandomForestRegressor": lower_forest,
    "ExtraTreesClassifier": lower_forest,
    "ExtraTreesRegressor": lower_forest,
    "GradientBoostingClassifier": lower_gradient_boosting,
    "GradientBoostingRegressor": lower_gradient_boosting,
    "HistGradientBoostingClassifier": lower_hist_gradient_boosting,
    "HistGradientBoostingRegressor": lower_hist_gradient_boosting,
    "MultinomialNB": lower_naive_bayes,
    "ComplementNB": lower_naive_bayes,
}
