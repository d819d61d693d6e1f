"""Why a model answers as it does, in the columns of the uploaded table.

Owns: ``explain`` (Shapley values of some rows against a background) and ``explain_section`` (the
part of the report). Four routes, tried in order:

linear, tree
    A copy of the final estimator as plain numbers, exact, if it answers as the model does.
enumerated
    All combinations of columns through the model's own predictions, exact, where they fit in
    the time.
sampled
    Estimates with a standard error, from the model's predictions.

A value belongs to a raw column even behind one-hot encoders; missing columns are taken from
background rows (interventional Shapley values, Lundberg and Lee, 2017). Why a route was not taken
is told in the notes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Status
from errors import DataError, ModelError
from explain_copy import NoCopyError, explain_copy
from explain_predictions import explain_predictions
from explain_request import AskedSpace, Request
from explain_sampling import TooSlowError
from explanation import Explanation
from model_types import Model
from report_types import ExplanationSection

Floats = NDArray[np.float64]
Progress = Callable[[float, str], None]


def explain_section(
    model: Model,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    *,
    seconds: float = 3.0,
    seed: int = 0,
    max_rows: int = 200,
    positive_class: str | None = None,
    space: AskedSpace = "auto",
    progress: Progress | None = None,
) -> ExplanationSection:
    """Return the explanations of a run.

    Parameters
    ----------
    model : Model
    rows : DataFrame, shape (n, d)
        Rows to explain; of more than ``max_rows`` a random part is taken.
    background : DataFrame, shape (m, d)
        Rows that stand for "not knowing a column".
    seconds : float
        Time allowed. Exact routes explain fewer rows, sampling stops earlier.
    seed : int
    max_rows : int
    positive_class : str, optional
        Binary models: the class to explain (default: the second).
    space : str
        As for ``explain``.
    progress : callable, optional
        Told a fraction (0 … 1) and a message.

    Returns
    -------
    ExplanationSection
        Skipped with a reason when the model is too slow, failed when it raised.
    """
    order = np.random.default_rng(seed).permutation(len(rows))[:max_rows]
    try:
        explanation = explain(
            model,
            rows.iloc[order],
            background,
            seconds=seconds,
            seed=seed,
            positive_class=positive_class,
            space=space,
            progress=progress,
        )
    except TooSlowError as error:
        return ExplanationSection(status=Status.SKIPPED, reason=str(error))
    except ModelError as error:
        return ExplanationSection(status=Status.FAILED, reason=f"The model failed: {error}")
    return _in_row_order(explanation, order).to_section()


def _in_row_order(explanation: Explanation, order: NDArray[np.int64]) -> Explanation:
    """Return an explanation of drawn rows sorted by their position in the table."""
    numbers = order[explanation.row_numbers]
    by_number = np.argsort(numbers)
    error = explanation.error
    return replace(
        explanation,
        values=explanation.values[by_number],
        predictions=explanation.predictions[by_number],
        error=None if error is None else error[by_number],
        rows=explanation.rows.iloc[by_number],
        row_numbers=numbers[by_number],
        answers=None,
    )


def explain(
    model: Model,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    *,
    seconds: float = 3.0,
    seed: int = 0,
    target: float = 0.05,
    positive_class: str | None = None,
    space: AskedSpace = "auto",
    progress: Progress | None = None,
) -> Explanation:
    """Return the Shapley values of rows.

    Parameters
    ----------
    model : Model
    rows, background : DataFrame
        Rows to explain, in order of priority, and the rows they are compared with. When time is
        short only the first rows are explained.
    seconds : float
        Time allowed.
    seed : int
        The same inputs and seed give the same values, except that a sampled explanation takes as
        many samples as fit in the time.
    target : float
        Sampling stops at this relative error.
    positive_class : str, optional
        Binary models: the class to explain.
    space : str
        ``auto``: the unit in which values are exact, log-odds for boosting and logistic regression.
        ``probability``: the probability of every class, wherever the model answers one; it takes
        longer. Other models are explained in their own unit.
    progress : callable, optional
        Told a fraction (0 … 1) and a message.

    Returns
    -------
    Explanation

    Raises
    ------
    DataError
        If there are no rows or no columns, or the background lacks a column.
    ModelError
        If the model fails on mixed rows or is too slow (``TooSlowError``).
    """
    request = Request(
        model,
        rows,
        _matching(rows, background),
        seconds,
        seed,
        target,
        positive_class,
        progress,
        space,
    )
    notes: list[str] = []
    try:
        explanation = explain_copy(request)
    except NoCopyError as reason:
        notes.append(str(reason))
        explanation = explain_predictions(request)
    except ModelError as error:
        notes.append(f"No exact copy of the model could be made ({error}).")
        explanation = explain_predictions(request)
    if space == "probability" and explanation.space != "probability":
        notes.append("The model answers no probabilities; its own unit is explained.")
    if len(explanation.rows) < len(rows):
        notes.append(
            f"The time allowed {len(explanation.rows)} of {len(rows)} rows; a repeat may manage "
            "more or fewer. Allow more seconds to explain them all."
        )
    request.tell(1.0, "Explained")
    return replace(explanation, seconds=request.used, notes=(*notes, *explanation.notes))


def _matching(rows: pd.DataFrame, background: pd.DataFrame) -> pd.DataFrame:
    """Return the background with the columns of the rows; the rows themselves if it is empty."""
    if not len(rows) or not rows.shape[1]:
        message = f"Nothing to explain: {len(rows)} rows of {rows.shape[1]} columns"
        raise DataError(message)
    if not len(background):
        return rows
    lacking = [str(name) for name in rows.columns if name not in background.columns]
    if lacking:
        message = f"The background lacks the columns {', '.join(lacking[:5])}"
        raise DataError(message)
    return background[list(rows.columns)]
