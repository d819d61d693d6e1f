"""How the mean answer moves along one column: partial dependence and accumulated local effects.

Owns: ``effect_curves``. Partial dependence (Friedman, 2001) sets every row to a value, also where
such rows cannot exist; accumulated local effects (Apley and Zhu, 2020) only move rows between
neighbouring values, so correlated columns do not mislead them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explain_outputs import OutputView
from explain_patches import Patch, answer_patches
from model_types import Model
from opinion_types import EffectCurve

GRID = 10
"""Steps of a numeric column; fewer where it has fewer values."""

MAX_LABELS = 8

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Values of a column by the rows that hold them.

    Parameters
    ----------
    column : int
    holders : ndarray of int, shape (k,)
        A row with each value.
    numbers : ndarray of float, shape (k,), or None
        The values of a numeric column, rising.
    lower, upper : ndarray of int, shape (m,)
        Numeric columns: for each row, the positions of its neighbouring values.
    rows : ndarray of int, shape (m,)
        The rows with a known value.
    """

    column: int
    holders: Integers
    numbers: Floats | None
    rows: Integers
    lower: Integers
    upper: Integers


def effect_curves(
    model: Model, frame: pd.DataFrame, columns: Sequence[int], view: OutputView, output: int = 0
) -> list[EffectCurve]:
    """Return the curves of some columns.

    Parameters
    ----------
    model : Model
    frame : DataFrame, shape (n, d)
        Rows over which answers are averaged.
    columns : sequence of int
        Positions; columns of one value, of times and of text that hardly repeats are left out.
    view, output : OutputView, int
        Which number of the answers is explained.

    Returns
    -------
    list of EffectCurve
        Without those whose means overflow.
    """
    grids = [grid for at in columns if (grid := _grid_of(frame, at)) is not None]
    patches = [patch for grid in grids for patch in _patches(grid, len(frame))]
    if not patches:
        return []
    answers = [view.read(answer)[:, output] for answer in answer_patches(model, frame, patches)]
    curves = []
    for grid in grids:
        size = len(grid.holders)
        curve = _curve(frame, grid, answers[: size + 2], view.names[output])
        if np.isfinite([*curve.partial_dependence, *(curve.ale or [])]).all():
            curves.append(curve)
        answers = answers[size + (2 if grid.numbers is not None else 0) :]
    return curves


def _patches(grid: _Grid, n_rows: int) -> list[Patch]:
    rows = np.arange(n_rows)
    everywhere = [Patch(grid.column, rows, np.full(n_rows, holder)) for holder in grid.holders]
    if grid.numbers is None:
        return everywhere
    ends = (grid.holders[grid.lower], grid.holders[grid.upper])
    return everywhere + [Patch(grid.column, grid.rows, end) for end in ends]


def _curve(frame: pd.DataFrame, grid: _Grid, answers: list[Floats], output: str) -> EffectCurve:
    size = len(grid.holders)
    dependence = np.array([answer.mean() for answer in answers[:size]])
    name = str(frame.columns[grid.column])
    if grid.numbers is None:
        values = frame.iloc[grid.holders, grid.column]
        return EffectCurve(
            feature=name,
            output=output,
            labels=[str(value) for value in values],
            partial_dependence=dependence.tolist(),
        )
    local = accumulate(answers[size + 1] - answers[size], grid.lower, size)
    return EffectCurve(
        feature=name,
        output=output,
        grid=grid.numbers.tolist(),
        partial_dependence=dependence.tolist(),
        ale=(local + dependence.mean() - local.mean()).tolist(),
    )


def accumulate(differences: Floats, intervals: Integers, size: int) -> Floats:
    """Return accumulated mean differences at ``size`` values, 0 at the first.

    Parameters
    ----------
    differences : ndarray, shape (m,)
        Answer at the upper minus answer at the lower end of each row's interval.
    intervals : ndarray of int, shape (m,)
        Interval of each row, 0 … size - 2.

    Examples
    --------
    >>> accumulate(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]), 3).tolist()
    [0.0, 2.0, 7.0]
    """
    counts = np.bincount(intervals, minlength=size - 1)
    sums = np.bincount(intervals, weights=differences, minlength=size - 1)
    effects = sums / np.maximum(counts, 1)
    return np.concatenate([[0.0], np.cumsum(effects)])


def _grid_of(frame: pd.DataFrame, at: int) -> _Grid | None:
    """Return the grid of a column, or None where a curve would say nothing."""
    column = frame.iloc[:, at]
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return _number_grid(column, at)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return None
    counts = column.value_counts()
    counts = counts[counts > 0]
    if len(counts) < 2 or len(counts) > max(MAX_LABELS, len(column) // 4):
        return None
    first = {value: row for row, value in reversed(list(enumerate(column)))}
    holders = np.array([first[value] for value in counts.index[:MAX_LABELS]])
    empty = np.zeros(0, dtype=np.int64)
    return _Grid(at, holders, None, empty, empty, empty)


def _number_grid(column: pd.Series, at: int) -> _Grid | None:
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.flatnonzero(np.isfinite(numbers))
    values, first = np.unique(numbers[known], return_index=True)
    if len(values) < 2:
        return None
    if len(values) > GRID + 1:
        shares = np.linspace(0, 1, GRID + 1)
        wanted = np.quantile(numbers[known], shares, method="inverted_cdf")
        chosen = np.unique(np.searchsorted(values, wanted))
        values, first = values[chosen], first[chosen]
    upper = np.clip(np.searchsorted(values, numbers[known]), 1, len(values) - 1)
    return _Grid(at, known[first], values, known, upper - 1, upper)
