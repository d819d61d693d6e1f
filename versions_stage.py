"""The same rows under two sets of library versions: do the predictions agree.

Owns: ``compare_versions``, which a run does when it was asked for: the model that answered in its
matching environment is opened once more with the libraries installed here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from diagnosis_types import VersionComparison
from errors import ModelError
from model_types import Predictions
from open_stage import ModelSource, open_other
from report_types import ModelSection

MAX_REASON = 300


def compare_versions(
    source: ModelSource, section: ModelSection, rows: pd.DataFrame, answered: Predictions
) -> VersionComparison:
    """Predict ``rows`` with the libraries installed here and compare with what was answered.

    Parameters
    ----------
    source : ModelSource
        The model's file.
    section : ModelSection
        Says which environment answered.
    rows : DataFrame, shape (n, d)
        The tested rows.
    answered : Predictions
        The answers of the matching environment, in order.

    Returns
    -------
    VersionComparison
        With a reason instead of numbers where only one of both can answer.
    """
    used = section.environment
    if used is None or used.kind != "matching":
        return VersionComparison(reason="The model ran with the libraries installed here only.")
    try:
        with open_other(source, section) as model:
            return differences(answered, model.predict(rows))
    except ModelError as error:
        return VersionComparison(reason=_why_not_here(section, error))


def _why_not_here(section: ModelSection, error: ModelError) -> str:
    walls = section.diagnosis.walls if section.diagnosis else []
    return walls[0] if walls else f"With the libraries installed here: {str(error)[:MAX_REASON]}"


def differences(first: Predictions, second: Predictions) -> VersionComparison:
    """Count rows whose predictions differ, and tell the largest difference of a number.

    Examples
    --------
    >>> import numpy as np
    >>> told = differences(Predictions(np.array([1.0, 2.0])), Predictions(np.array([1.0, 2.5])))
    >>> told.n_different, told.largest_difference
    (1, 0.5)
    """
    one, two = np.asarray(first.y_pred), np.asarray(second.y_pred)
    if one.shape != two.shape:
        return VersionComparison(reason=f"The answers differ in form: {one.shape}, {two.shape}.")
    differs = np.asarray(one != two)
    per_row = differs.reshape(len(one), -1).any(axis=1)
    return VersionComparison(
        n_rows=len(one),
        n_different=int(per_row.sum()),
        largest_difference=_largest(first, second),
    )


def _largest(first: Predictions, second: Predictions) -> float | None:
    """Return the largest difference of probabilities, else of predicted numbers, else None."""
    one, two = first.y_proba, second.y_proba
    if one is None or two is None:
        one, two = np.asarray(first.y_pred), np.asarray(second.y_pred)
    if one.shape != two.shape or one.dtype.kind not in "fiu" or not one.size:
        return None
    return float(np.max(np.abs(one.astype(float) - two.astype(float))))
