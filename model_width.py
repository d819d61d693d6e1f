"""How many columns a fitted estimator takes, whatever version of its library wrote it.

Owns: ``count_columns``. Estimators before scikit-learn 0.24 keep no count; what they learned tells
it. Stand-alone: numpy, Python 3.7 syntax.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model_facts import read, shape_of

COUNTS = ("n_features_in_", "n_features_", "_n_features")
COLUMNS_LAST = (
    *("coef_", "feature_log_prob_", "theta_", "sigma_", "cluster_centers_", "means_"),
    *("components_", "support_vectors_", "_fit_X", "X_train_", "mean_", "scale_", "min_"),
    *("center_", "max_abs_", "statistics_", "quantiles_", "lambdas_"),
)
"""Learned arrays with one column, or one number, per input column."""

MEMBERS = (
    *("estimator_", "base_estimator_", "estimators_", "calibrated_classifiers_"),
    *("estimator", "base_estimator"),
)
"""Where an estimator keeps others that take the same columns."""


def count_columns(stage: Any) -> int:  # noqa: ANN401 - an estimator of any library
    """Return the number of input columns a stage was fitted on, 0 where it does not tell.

    Examples
    --------
    >>> import types
    >>> count_columns(types.SimpleNamespace(coef_=np.zeros((3, 4))))
    4
    """
    for name in COUNTS:
        count = read(stage, name)
        if isinstance(count, (int, np.integer)) and count > 0:
            return int(count)
    for name in ("feature_names_", "categories_"):  # catboost's own format; encoders
        listed = read(stage, name)
        if isinstance(listed, list) and listed:
            return len(listed)
    for name in COLUMNS_LAST:
        shape = shape_of(stage, name)
        if len(shape) in (1, 2) and shape[-1] > 0:
            return shape[-1]
    return _of_parts(stage)


def _of_parts(stage: Any) -> int:  # noqa: ANN401
    """Return what layers, support vectors or members tell."""
    layers = read(stage, "coefs_")
    if isinstance(layers, list) and layers and np.ndim(layers[0]) == 2:
        return int(np.shape(layers[0])[0])
    shape = read(stage, "shape_fit_")
    if isinstance(shape, tuple) and len(shape) == 2:
        return int(shape[1])
    for name in MEMBERS:
        member = read(stage, name)
        while isinstance(member, (list, np.ndarray)) and len(member):
            member = member[0]
        count = 0 if member is None or member is stage else _of_member(member)
        if count:
            return count
    return 0


def _of_member(member: Any) -> int:  # noqa: ANN401
    steps = read(member, "steps")
    return count_columns(steps[0][1] if isinstance(steps, list) and steps else member)
