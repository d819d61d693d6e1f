"""Do made-up rows reach the model's decisions? Classes and leaves visited, beside uniform noise.

Owns: ``measure_reach`` and ``leaves_visited``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from errors import ModelError
from explain_arrays import check_lowered
from model_types import Lowered, Model
from reach_types import Reach
from schema_utils import Distribution, Kind, Schema
from synthetic_data import generate

MAX_ROWS = 500
MAX_NODES = 2_000_000
MAX_STEPS = 1000


def measure_reach(model: Model, rows: pd.DataFrame, schema: Schema, *, seed: int) -> Reach:
    """Count the classes and leaves that rows reach, and those that noise reaches.

    Parameters
    ----------
    model : Model
    rows : DataFrame, shape (n, k)
        Made-up rows; the first 500 at most are used.
    schema : Schema
        They were drawn from.
    seed : int
        Of the noise: numbers uniform in 0..1, known categories equally often.

    Returns
    -------
    Reach
        Counts are None where they do not apply, and where the model refuses the rows.
    """
    made = rows.head(MAX_ROWS)
    noise = generate(noise_schema(schema), len(made), seed)[list(made.columns)]
    found = Reach(n_rows=len(made))
    if model.info.classes:
        found.n_classes = len(model.info.classes)
        found.classes = _classes(model, made)
        found.classes_by_noise = _classes(model, noise)
    try:
        _count_leaves(found, model, made, noise)
    except ModelError as error:
        found.reason = f"Leaves were not counted: {error}"
    return found


def noise_schema(schema: Schema) -> Schema:
    """Return the columns of a schema without anything that is known of their values."""
    features = []
    for feature in schema.inputs:
        if feature.kind.is_numeric:
            plain: dict[str, object] = {
                "minimum": 0.0,
                "maximum": 1.0,
                "distribution": Distribution.UNIFORM,
                "parameters": {"low": 0.0, "high": 1.0},
                "quantiles": None,
                "outlier_rate": 0.0,
                "missing_rate": 0.0,
            }
        elif feature.kind is Kind.DATETIME:
            plain = {}
        else:
            plain = {"frequencies": None, "missing_rate": 0.0}
        features.append(feature.model_copy(update=plain))
    return Schema(features=features)


def _classes(model: Model, frame: pd.DataFrame) -> int | None:
    try:
        answers = model.predict(frame, proba=False)
    except ModelError:
        return None  # a count of the classes reached is not the place to judge a refusal
    return len({str(label) for label in answers.y_pred.tolist()})


def _count_leaves(found: Reach, model: Model, made: pd.DataFrame, noise: pd.DataFrame) -> None:
    lowered = model.lower()
    if lowered is None or lowered.meta.get("kind") != "trees":
        return
    check_lowered(lowered)
    if lowered.arrays["feature"].size > MAX_NODES:
        found.reason = "Leaves were not counted: there are too many trees."
        return
    found.n_leaves = int((lowered.arrays["feature"] < 0).sum())
    found.leaves = leaves_visited(lowered, model.transform(made))
    found.leaves_by_noise = leaves_visited(lowered, model.transform(noise))


def leaves_visited(lowered: Lowered, matrix: NDArray[np.float64]) -> int:
    """Return how many different leaves of all trees the rows of a matrix fall into.

    Parameters
    ----------
    lowered : Lowered
        Of kind ``trees``, checked.
    matrix : ndarray of float, shape (n, k)
        As it reaches the trees.
    """
    arrays, rule = lowered.arrays, lowered.meta["rule"]
    values = matrix if rule == "le64" else matrix.astype(np.float32).astype(np.float64)
    limits = arrays["threshold"].astype(np.float64)
    if rule == "lt32":
        limits = limits.astype(np.float32).astype(np.float64)
    node = np.tile(arrays["root"].astype(np.int64), (len(values), 1))
    row = np.arange(len(values))[:, None]
    for _ in range(MAX_STEPS):
        feature = arrays["feature"][node]
        if (feature < 0).all():
            break
        value = values[row, np.maximum(feature, 0)]
        left = value < limits[node] if rule == "lt32" else value <= limits[node]
        left = np.where(np.isnan(value), arrays["missing_left"][node].astype(bool), left)
        node = np.where(left, arrays["left"][node], arrays["right"][node])
    return int(np.unique(node).size)
