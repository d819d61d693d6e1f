"""What the parts of a fitted model know of its raw input columns."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return a label as JSON can carry it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) and np.isfinite(value):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def class_names_of(estimator: Any) -> set[str]:
    """Return the names of an object's class and its bases."""
    return {base.__name__ for base in type(estimator).__mro__}


def input_columns(estimator: Any) -> dict[str, Any]:
    """Return the part of ``ModelInfo`` that concerns the input."""
    names = getattr(estimator, "feature_names_in_", None)
    n_features = getattr(estimator, "n_features_in_", None)
    known = names is not None
    if names is None:
        names = [f"x{i}" for i in range(int(n_features or 0))]
    return {
        "n_features": len(names),
        "feature_names_known": known,
        "features": [{"name": str(name)} for name in names],
        "wants_frame": known,
        "input_form": "frame" if known else "matrix",
    }
