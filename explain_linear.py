"""Shapley values of a linear model in closed form.

Owns: ``LinearModel``, ``from_lowered``, ``evaluate`` and ``shapley_values``. With independent
cells the value of a column is coefficient × (cell - mean of the background); columns that come
from one raw column are added (Štrumbelj and Kononenko, 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_types import Lowered

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LinearModel:
    """``margin = matrix @ coef.T + intercept``; coef (outputs, k), intercept (outputs,)."""

    coef: Floats
    intercept: Floats

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return len(self.intercept)


def from_lowered(lowered: Lowered) -> LinearModel:
    """Return the linear model of a lowered estimator."""
    return LinearModel(lowered.arrays["coef"], lowered.arrays["intercept"])


def evaluate(model: LinearModel, matrix: Floats) -> Floats:
    """Return the margins, shape (n, outputs).

    Examples
    --------
    >>> model = LinearModel(coef=np.array([[2.0, -1.0]]), intercept=np.array([0.5]))
    >>> evaluate(model, np.array([[1.0, 1.0]])).tolist()
    [[1.5]]
    """
    margins: Floats = matrix @ model.coef.T + model.intercept
    return margins


def shapley_values(
    model: LinearModel, rows: Floats, background: Floats, groups: Integers, n_groups: int
) -> Floats:
    """Return the exact Shapley values, shape (n, n_groups, outputs).

    Parameters
    ----------
    model : LinearModel
    rows, background : ndarray, shapes (n, k) and (m, k)
    groups : ndarray of int, shape (k,)
        The raw column behind each column of the matrix; -1 for a constant.
    n_groups : int
        Number of raw columns.

    Examples
    --------
    >>> model = LinearModel(np.array([[2.0, -1.0]]), np.zeros(1))
    >>> rows, background = np.array([[3.0, 1.0]]), np.zeros((5, 2))
    >>> shapley_values(model, rows, background, np.array([0, 1]), 2)[0, :, 0].tolist()
    [6.0, -1.0]
    """
    centred = rows - background.mean(axis=0)
    values = np.zeros((len(rows), n_groups, model.n_outputs))
    for group in np.unique(groups[groups >= 0]):
        member = groups == group
        values[:, group] = centred[:, member] @ model.coef[:, member].T
    return values
