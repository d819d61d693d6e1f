"""One explanation: contributions of raw columns to outputs, and what is read off them.

Owns: ``Explanation``, the importance of its columns and its form in the report. Nothing here
calls a model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Cell
from explain_outputs import Space
from model_types import Predictions
from report_types import ExplanationSection, FeatureImportance, OutputExplanation

Floats = NDArray[np.float64]
Method = Literal["linear", "tree", "enumerated", "sampled"]

NO_CONTRIBUTIONS = (
    "The model's answers are not finite numbers, or too large to be added up, so they have no "
    "contributions."
)
MAX_COLUMNS = 50
MAX_OUTPUTS = 10
CLEAR_STANDARD_ERRORS = 2.0
DIGITS = 9


@dataclass(frozen=True, slots=True)
class Explanation:
    """Shapley values of raw columns against a background.

    Parameters
    ----------
    values : ndarray, shape (rows, columns, outputs)
        In the unit of ``space``; they sum over the columns to ``predictions - base``.
    base : ndarray, shape (outputs,)
        Mean output over the background.
    predictions : ndarray, shape (rows, outputs)
        The explained outputs.
    error : ndarray or None
        Standard error of each value; None when exact.
    columns, outputs : tuple of str
    rows : DataFrame
        The explained raw rows.
    row_numbers : ndarray of int, shape (rows,)
        Their positions in the table given.
    space : str
        ``probability``, ``log-odds``, ``score``, ``prediction``, ``log(prediction)``,
        ``path length`` (splits that isolate a row) or ``label indicator``.
    method : str
        ``linear``, ``tree``, ``enumerated`` (all exact) or ``sampled``.
    background_rows, evaluations, seed : int
    seconds : float
    notes : tuple of str
        Why this route was taken and what was left out.
    answers : Predictions or None
        What the model answered for the rows, where it was asked for just them.
    """

    values: Floats
    base: Floats
    predictions: Floats
    error: Floats | None
    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    rows: pd.DataFrame
    row_numbers: NDArray[np.int64]
    space: Space
    method: Method
    background_rows: int
    evaluations: int = 0
    seconds: float = 0.0
    seed: int = 0
    notes: tuple[str, ...] = ()
    answers: Predictions | None = None

    @property
    def exact(self) -> bool:
        """Whether the values carry no sampling error."""
        return self.error is None

    @property
    def relative_error(self) -> float | None:
        """Mean standard error over mean absolute value; None when exact."""
        size = float(np.abs(self.values).mean())
        if self.error is None:
            return None
        return float(self.error.mean()) / size if size > 0 else 0.0

    @property
    def additivity_gap(self) -> float:
        """Largest |base + sum of values - output| over the largest |output|."""
        gap = np.abs(self.base + self.values.sum(axis=1) - self.predictions).max(initial=0.0)
        scale = max(float(np.abs(self.predictions).max(initial=0.0)), 1e-12)
        return float(gap) / scale

    def output(self, name: str) -> Explanation:
        """Return the explanation of one output.

        Raises
        ------
        KeyError
            If there is no such output.
        """
        if name not in self.outputs:
            message = f"No output named {name!r}; there are {', '.join(self.outputs)}"
            raise KeyError(message)
        at = [self.outputs.index(name)]
        return replace(
            self,
            values=self.values[:, :, at],
            base=self.base[at],
            predictions=self.predictions[:, at],
            error=None if self.error is None else self.error[:, :, at],
            outputs=(name,),
        )

    def to_frame(self, output: str | None = None) -> pd.DataFrame:
        """Return the values of one output (the first by default), (rows, columns)."""
        chosen = self.output(output or self.outputs[0])
        return pd.DataFrame(chosen.values[:, :, 0], columns=list(self.columns)).set_axis(
            self.rows.index
        )

    def to_shap(self) -> object:
        """Return a ``shap.Explanation`` for shap's own plots.

        Raises
        ------
        ImportError
            If shap is not installed; nothing else needs it.
        """
        try:
            import shap  # takes seconds, and nothing else needs it
        except ImportError as error:
            message = "shap is not installed; run `pip install shap` to use its plots"
            raise ImportError(message) from error
        single = len(self.outputs) == 1
        bases = np.tile(self.base, (len(self.rows), 1))
        exported: object = shap.Explanation(
            values=self.values[:, :, 0] if single else self.values,
            base_values=bases[:, 0] if single else bases,
            data=self.rows.to_numpy(),
            feature_names=list(self.columns),
            output_names=None if single else list(self.outputs),
        )
        return exported

    def to_section(self) -> ExplanationSection:
        """Return the explanation as the report holds it, cut to its limits with a note."""
        notes = list(self.notes)
        columns = _largest(np.abs(self.values).mean(axis=0).max(axis=1), MAX_COLUMNS)
        outputs = _largest(np.abs(self.values).mean(axis=(0, 1)), MAX_OUTPUTS)
        if len(columns) < len(self.columns):
            notes.append(
                f"Values per row are kept for the {MAX_COLUMNS} most important of "
                f"{len(self.columns)} columns."
            )
        if len(outputs) < len(self.outputs):
            notes.append(f"{MAX_OUTPUTS} of {len(self.outputs)} outputs are kept.")
        return ExplanationSection(
            method=self.method,
            exact=self.exact,
            space=self.space,
            columns=[self.columns[at] for at in columns],
            rows=_cells(self.rows.iloc[:, columns]),
            row_numbers=[int(number) for number in self.row_numbers],
            outputs=[self._output_section(at, columns) for at in outputs],
            background_rows=self.background_rows,
            n_model_calls=self.evaluations,
            seconds_used=self.seconds,
            relative_error=self.relative_error,
            additivity_gap=self.additivity_gap,
            notes=notes,
        )

    def _output_section(self, at: int, columns: list[int]) -> OutputExplanation:
        errors = None if self.error is None else _rounded(self.error[:, columns, at])
        return OutputExplanation(
            output=self.outputs[at],
            base_value=float(self.base[at]),
            importance=importance(self, self.outputs[at]),
            values=_rounded(self.values[:, columns, at]).tolist(),
            predictions=_rounded(self.predictions[:, at]).tolist(),
            errors=None if errors is None else errors.tolist(),
        )


def importance(explanation: Explanation, output: str | None = None) -> list[FeatureImportance]:
    """Return mean |contribution| per column, most important first.

    ``error`` is the standard error of that mean by sampling (None when exact), ``tied_with_next``
    tells whether the next column lies within two standard errors of the difference, ``clear``
    whether the importance is more than two standard errors above zero, ``direction`` is
    Spearman's rank correlation of cell and contribution for numeric columns.
    """
    chosen = explanation.output(output or explanation.outputs[0])
    values = chosen.values[:, :, 0]
    size = np.abs(values).mean(axis=0)
    errors = np.zeros_like(size)
    if chosen.error is not None:
        errors = np.sqrt((chosen.error[:, :, 0] ** 2).sum(axis=0)) / len(values)
    order = np.argsort(-size, kind="stable")
    total = float(size.sum())
    tiny = 1e-12 * max(total, float(np.abs(chosen.base).max(initial=0.0)))
    directions = _directions(chosen.rows, values, tiny)
    return [
        FeatureImportance(
            feature=chosen.columns[at],
            importance=float(size[at]),
            error=None if chosen.exact else float(errors[at]),
            share=float(size[at]) / total if total > 0 else 0.0,
            direction=directions.get(int(at)),
            rank=rank + 1,
            tied_with_next=_tied(size, errors, order[rank : rank + 2]),
            clear=bool(size[at] > CLEAR_STANDARD_ERRORS * errors[at] + tiny),
        )
        for rank, at in enumerate(order)
    ]


def _tied(size: Floats, errors: Floats, pair: NDArray[np.int64]) -> bool:
    """Tell whether two importances lie within two standard errors of their difference."""
    if len(pair) < 2:
        return False
    allowed = CLEAR_STANDARD_ERRORS * math.hypot(*errors[pair]) + 1e-9 * float(size[pair[0]])
    return bool(size[pair[0]] - size[pair[1]] <= allowed)


def _directions(rows: pd.DataFrame, values: Floats, tiny: float) -> dict[int, float]:
    """Return Spearman's correlation of cells and contributions by column, where there is one.

    All columns are worked out at once: a call of pandas costs more than the ranks of a column.
    """
    numeric = [at for at, kind in enumerate(rows.dtypes) if pd.api.types.is_numeric_dtype(kind)]
    cells = rows.iloc[:, numeric].to_numpy(dtype=np.float64, na_value=np.nan)
    own = values[:, numeric]
    known = np.isfinite(cells) & ~np.isnan(own)
    moves = (known.sum(axis=0) >= 3) & (_span(own, known) > tiny) & (_span(cells, known) > 0)
    one, two = _centred_ranks(cells, known), _centred_ranks(own, known)
    size = np.sqrt((one**2).sum(axis=0) * (two**2).sum(axis=0))
    rho = np.divide((one * two).sum(axis=0), size, out=np.zeros(len(size)), where=size > 0)
    return {numeric[place]: float(np.clip(rho[place], -1, 1)) for place in np.flatnonzero(moves)}


def _span(cells: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return largest less smallest known cell of each column; -inf where none is known."""
    largest = cells.max(axis=0, where=known, initial=-np.inf)
    smallest = cells.min(axis=0, where=known, initial=np.inf)
    return np.asarray(largest - smallest)


def _centred_ranks(cells: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return the ranks of the known cells of each column less their mean, 0 for the others."""
    ranks = pd.DataFrame(np.where(known, cells, np.nan)).rank().to_numpy()
    mean = (known.sum(axis=0) + 1) / 2
    return np.where(known, ranks - mean, 0.0)


def _largest(size: Floats, count: int) -> list[int]:
    """Return the positions of the largest entries, in their own order."""
    return sorted(int(at) for at in np.argsort(-size, kind="stable")[:count])


def _rounded(values: Floats) -> Floats:
    """Round to ``DIGITS`` significant digits of the largest value, for short JSON."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return values
    return np.round(values, DIGITS - 1 - math.floor(math.log10(largest)))


def _cells(frame: pd.DataFrame) -> list[dict[str, Cell]]:
    """Return rows as JSON carries them, missing as None."""
    names = [str(name) for name in frame.columns]
    columns = [_column_cells(column) for _, column in frame.items()]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _column_cells(column: pd.Series) -> list[Cell]:
    """Return the cells of a column as ``plain_cell`` gives them; numbers are plain already."""
    cells: list[Cell] = column.tolist()
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
        return cells
    if column.dtype == np.float64 and np.isfinite(column.to_numpy()).all():
        return cells
    return [plain_cell(cell) for cell in cells]


def is_finite(section: ExplanationSection) -> bool:
    """Return whether every number of an explanation is one that JSON can carry."""
    means = [output.base_value for output in section.outputs]
    means += [item.importance for output in section.outputs for item in output.importance]
    tables = [np.asarray(output.values) for output in section.outputs]
    return all(np.isfinite(numbers).all() for numbers in (np.asarray(means), *tables))


def plain_cell(value: object) -> Cell:
    """Return one value as JSON carries it, missing and infinite ones as None.

    Examples
    --------
    >>> plain_cell(np.int64(3)), plain_cell(float("inf")), plain_cell("red")
    (3, None, 'red')
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        return plain if math.isfinite(plain) else None
    if isinstance(plain, (bool, int, str)):
        return plain
    if isinstance(plain, date):  # pandas' times are dates too
        return plain.isoformat().removesuffix("T00:00:00")
    return str(plain)
