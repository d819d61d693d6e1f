"""Permutation importance: how much worse the score becomes when one column is shuffled.

Owns: ``permutation_importance`` (Breiman, 2001; as ``sklearn.inspection``, with the default score
of scikit-learn: accuracy of classifiers, R² of regressors) and its standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explain_patches import Patch, answer_patches
from labels import match_labels
from model_types import Model, Task
from opinion_types import PermutationImportance

CLEAR_STANDARD_ERRORS = 2.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scorer:
    """True answers and how predictions are scored by them.

    Parameters
    ----------
    metric : str
        ``accuracy`` or ``r2``.
    target : ndarray, shape (n,)
        Class positions, or numbers.
    classes : sequence of label
        Of a classifier.
    """

    metric: str
    target: NDArray[Any]
    classes: Sequence[Any] = ()

    def scores(self, y_pred: NDArray[Any]) -> Floats:
        """Return the score of each of several answers to the rows, one behind the other.

        Parameters
        ----------
        y_pred : ndarray, shape (m * n,)

        Returns
        -------
        ndarray, shape (m,)
            Higher is better.
        """
        if self.metric == "accuracy":
            codes = match_labels(y_pred, self.classes).codes.reshape(-1, len(self.target))
            return np.asarray((codes == self.target).mean(axis=1))
        residual = y_pred.astype(np.float64).reshape(-1, len(self.target)) - self.target
        spread = ((self.target - self.target.mean()) ** 2).sum()
        with np.errstate(over="ignore"):  # told as a score that is not finite
            return np.asarray(1 - (residual**2).sum(axis=1) / spread)

    def at(self, rows: NDArray[np.int64]) -> Scorer:
        """Return the scorer of some of the rows."""
        return Scorer(self.metric, self.target[rows], self.classes)


def scorer_for(model: Model, y_true: pd.Series[Any] | None) -> tuple[Scorer, NDArray[np.bool_]]:
    """Return how to score a model, and which rows have a usable true answer.

    Raises
    ------
    ValueError
        If the model cannot be scored; the message is one sentence for the user.
    """
    info = model.info
    if y_true is None:
        message = "Shuffling columns needs true answers; upload a sample with the target column."
        raise ValueError(message)
    if info.task.is_classification and info.classes:
        matched = match_labels(y_true, info.classes)
        scorer, known = Scorer("accuracy", matched.codes, info.classes), matched.known
    elif info.task is Task.REGRESSION and info.n_outputs == 1:
        numbers = pd.to_numeric(y_true, errors="coerce").to_numpy(dtype=np.float64)
        scorer, known = Scorer("r2", numbers), np.isfinite(numbers)
    else:
        message = f"There is no single score of a {info.task.value} model to shuffle columns by."
        raise ValueError(message)
    if known.sum() < 2 or len(np.unique(scorer.target[known])) < 2:
        message = "Fewer than two different true answers: shuffling columns would tell nothing."
        raise ValueError(message)
    return scorer, known


def permutation_importance(
    model: Model,
    frame: pd.DataFrame,
    scorer: Scorer,
    columns: Sequence[int],
    *,
    n_repeats: int = 5,
    seed: int = 0,
) -> tuple[float, list[PermutationImportance]]:
    """Return the score of the untouched rows and the importance of columns.

    Parameters
    ----------
    model : Model
    frame : DataFrame, shape (n, d)
    scorer : Scorer
        Of the same n rows.
    columns : sequence of int
        Positions of the columns to shuffle.
    n_repeats : int
        Shuffles per column, at least 2.
    seed : int

    Returns
    -------
    float
        Score of the rows as they are.
    list of PermutationImportance
        Most important first. The standard error is that of the mean over the shuffles; it says
        nothing of how other rows would differ.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(len(frame))
    patches = [Patch(at, rows, rng.permutation(rows)) for at in columns for _ in range(n_repeats)]
    answers = answer_patches(model, frame, [Patch(0, rows, rows), *patches], proba=False)
    baseline, *scores = scorer.scores(np.concatenate([told.y_pred for told in answers])).tolist()
    with np.errstate(over="ignore", invalid="ignore"):  # of scores that are not finite
        losses = baseline - np.array(scores).reshape(len(columns), n_repeats)
        means = losses.mean(axis=1)
        errors = losses.std(axis=1, ddof=1) / np.sqrt(n_repeats)
    order = np.argsort(-means, kind="stable")
    return baseline, [
        PermutationImportance(
            feature=str(frame.columns[columns[at]]),
            importance=float(means[at]),
            error=float(errors[at]),
            rank=rank + 1,
            clear=bool(means[at] > CLEAR_STANDARD_ERRORS * errors[at] + 1e-12),
        )
        for rank, at in enumerate(order)
    ]
