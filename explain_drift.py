"""What becomes of the contributions when the rows drift.

Owns: ``add_drift``, which explains the same rows once more with every numeric column moved up by
one standard deviation, by whatever route the model takes, and puts the shares of all columns
before and after into the second opinion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drift_scenarios import Setting, apply_to_table, shift_mean
from errors import ModelError
from explainability import explain
from explanation import Explanation
from model_types import Model
from opinion_types import SecondOpinion, ShiftedImportance
from report_types import ExplanationSection, OutputExplanation
from schema_utils import Kind

SHIFTED_ROWS = 60
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drifted:
    """The tables behind the drift, and how long an estimate may take.

    Parameters
    ----------
    rows : DataFrame, shape (n, d)
        The tested rows; their standard deviations are the size of the shift.
    explained : DataFrame
        The explained rows, in the order of the section.
    background : DataFrame
    kinds : dict of str to Kind
        The columns, in order.
    seconds : float
    """

    rows: pd.DataFrame
    explained: pd.DataFrame
    background: pd.DataFrame
    kinds: dict[str, Kind]
    seconds: float = 1.0


def add_drift(
    model: Model,
    section: ExplanationSection,
    tables: Drifted,
    opinion: SecondOpinion,
    positive_class: str | None,
) -> None:
    """Put shares before and after the shift into the opinion, or the reason why there are none."""
    setting = Setting(tables.rows, tables.kinds)
    if not setting.numeric:
        return
    rows = tables.explained.iloc[:SHIFTED_ROWS]
    shifted = apply_to_table(shift_mean, rows, 1.0, np.random.default_rng(0), setting)
    background = tables.background
    try:
        found = explain(
            model, shifted, background, seconds=tables.seconds, positive_class=positive_class
        )
    except ModelError as error:
        opinion.shift_reason = f"Drifted rows could not be explained: {error}"
        return
    if found.space != section.space:
        opinion.shift_reason = (
            f"Drifted rows could be explained in {found.space} only, the others are in "
            f"{section.space}."
        )
        return
    opinion.shift = "every numeric column moved up by one standard deviation"
    opinion.shifted_importance = _compared(section, section.outputs[0], found)
    opinion.n_model_calls += found.evaluations


def _compared(
    section: ExplanationSection, output: OutputExplanation, found: Explanation
) -> list[ShiftedImportance]:
    """Return the share of every column before and after, largest first."""
    chosen = found.output(output.output)
    places = [chosen.columns.index(name) for name in section.columns]
    n_rows = len(chosen.values)
    old = np.asarray(output.values)[:n_rows]
    old_error = np.zeros_like(old) if output.errors is None else np.asarray(output.errors)[:n_rows]
    new = chosen.values[:, places, 0]
    new_error = np.zeros_like(new) if chosen.error is None else chosen.error[:, places, 0]
    exact = output.errors is None and chosen.error is None
    before, before_error = _shares(old, old_error, exact=exact)
    after, after_error = _shares(new, new_error, exact=exact)
    errors = np.hypot(before_error, after_error)
    return [
        ShiftedImportance(
            feature=section.columns[at],
            reference=float(before[at]),
            shifted=float(after[at]),
            error=None if exact else float(errors[at]),
        )
        for at in np.argsort(-before, kind="stable")
    ]


def _shares(values: Floats, errors: Floats, *, exact: bool) -> tuple[Floats, Floats]:
    """Return each column's share in all contributions, and its standard error by sampling.

    Of exact values the mean size counts. Sampling errors make every size too large, the more so
    the fewer samples; mean squares less the mean squared error are free of that, so estimates
    are compared by the roots of those.
    """
    sizes = np.abs(values).mean(axis=0)
    if not exact:
        squares = (values**2).mean(axis=0) - (errors**2).mean(axis=0)
        sizes = np.sqrt(np.maximum(squares, 0.0))
    total = float(sizes.sum()) or 1.0
    return sizes / total, np.sqrt((errors**2).sum(axis=0)) / len(values) / total
