"""The answers of a run as ``RowResults``: matched with the truth, row by row.

Owns: ``answers_by_row``; called once per run, after its metrics.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from classification_quality import class_scores, predicted_labels
from labels import match_labels
from model_types import ModelInfo, Predictions, Task
from row_results import RowResults


def answers_by_row(
    predictions: Predictions,
    info: ModelInfo,
    y_true: pd.Series[Any],
    *,
    sample: str,
    rows: NDArray[np.int64],
    positive_class: str | None = None,
) -> RowResults | None:
    """Match answers and truth.

    Parameters
    ----------
    predictions : Predictions
        For the n rows of ``y_true``.
    info : ModelInfo
        Of a classifier or a regression with one output.
    y_true : Series, shape (n,)
        Rows without a value are left out.
    sample : str
        What the rows come from.
    rows : ndarray of int, shape (n,)
        Their positions in it.
    positive_class : str, optional
        Of two classes, as the metrics took it.

    Returns
    -------
    RowResults or None
        None for other tasks, and where no row has both answer and truth.
    """
    if predictions.y_pred.ndim != 1:
        return None
    if info.task is Task.REGRESSION:
        return _numbers(predictions, y_true, sample, rows)
    if not info.task.is_classification:
        return None
    predicted, classes = predicted_labels(predictions, info)
    true = match_labels(y_true, classes)
    kept = np.flatnonzero((true.codes >= 0) & (predicted.codes >= 0))
    if not true.known.any():
        return None
    results = RowResults(sample, rows[kept], true.codes[kept] == predicted.codes[kept])
    names = [str(label) for label in classes]
    scores, _ = class_scores(predictions, len(classes))
    if scores is None or len(names) != 2 or positive_class not in names:
        return results
    positive = names.index(positive_class)
    truth = true.codes[kept] == positive
    return RowResults(sample, rows[kept], results.correct, scores[kept, positive], truth)


def _numbers(
    predictions: Predictions, y_true: pd.Series[Any], sample: str, rows: NDArray[np.int64]
) -> RowResults | None:
    truth = pd.to_numeric(y_true, errors="coerce").to_numpy(dtype=np.float64)
    error = np.asarray(predictions.y_pred, dtype=np.float64) - truth
    kept = np.flatnonzero(np.isfinite(error))
    return RowResults(sample, rows[kept], error=error[kept]) if kept.size else None
