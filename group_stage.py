"""Which measures are compared between groups, from the answers of a run.

Owns: ``compare_sample_groups``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from classification_quality import predicted_labels
from group_gaps import BoolArray, FloatArray, compare_groups, guess_group_column
from group_types import GroupComparison
from labels import match_labels
from model_types import ModelInfo, Predictions, Task

Measures = dict[str, tuple["BoolArray | FloatArray", BoolArray]]


def compare_sample_groups(
    predictions: Predictions,
    info: ModelInfo,
    table: pd.DataFrame,
    y_true: pd.Series[Any] | None,
    *,
    column: str | None,
    positive_class: str | None,
    weights: FloatArray | None = None,
) -> GroupComparison | None:
    """Compare groups of rows of a sample.

    Parameters
    ----------
    predictions : Predictions
        For the n rows of ``table``.
    info : ModelInfo
        Of a classifier or a regression with one output; other tasks give None.
    table : DataFrame, shape (n, k)
        All columns of the sample, also those that the model does not take.
    y_true : Series, shape (n,), optional
        True answers.
    column : str, optional
        Holds the groups; guessed by name when absent.
    positive_class : str, optional
        Of two classes, as the metrics took it.
    weights : ndarray of float, shape (n,), optional
        What each row counts for, >= 0.

    Returns
    -------
    GroupComparison or None
        None where no column was chosen and none has a telling name.
    """
    name = column or guess_group_column([str(each) for each in table.columns])
    if name is None or predictions.y_pred.ndim != 1:
        return None
    if name not in table.columns:
        return GroupComparison(column=name, notes=[f"The sample has no column {name!r}."])
    if info.task is Task.REGRESSION:
        measures = _of_numbers(predictions, y_true)
    elif info.task.is_classification:
        measures = _of_classes(predictions, info, y_true, positive_class)
    else:
        return None
    return compare_groups(table[name], measures, guessed=column is None, weights=weights)


def _of_numbers(predictions: Predictions, y_true: pd.Series[Any] | None) -> Measures:
    y_pred = np.asarray(predictions.y_pred, dtype=np.float64)
    measures: Measures = {"mean_prediction": (y_pred, np.isfinite(y_pred))}
    if y_true is not None:
        error = y_pred - pd.to_numeric(y_true, errors="coerce").to_numpy(dtype=np.float64)
        measures["mean_error"] = (error, np.isfinite(error))
        measures["mean_absolute_error"] = (np.abs(error), np.isfinite(error))
    return measures


def _of_classes(
    predictions: Predictions,
    info: ModelInfo,
    y_true: pd.Series[Any] | None,
    positive_class: str | None,
) -> Measures:
    predicted, classes = predicted_labels(predictions, info)
    names = [str(label) for label in classes]
    measures: Measures = {}
    if len(names) == 2:
        positive = names.index(positive_class) if positive_class in names else 1
        measures["positive_share"] = (predicted.codes == positive, predicted.codes >= 0)
    if y_true is None:
        return measures
    true = match_labels(y_true, classes)
    right = true.codes == predicted.codes
    measures["accuracy"] = (right, true.codes >= 0)
    if len(names) == 2:
        measures["recall"] = (right, true.codes == positive)
        measures["specificity"] = (right, true.codes == 1 - positive)
    return measures
