"""Which rows make a model raise, found with few calls.

Owns: the search by bisection, its cap, and the estimate of the error rate. Rows that fail are
told to the user and left out of every timing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from base_types import Cell, Estimate
from errors import ModelRaisedError
from intervals import share_estimate
from model_types import Model
from report_types import FailingRow

MAX_CALLS = 300
"""Calls a search may cost. Bisection needs about ``2 k log2(n / k)`` calls for k failing rows, so
this resolves some 20 failing rows of 1,000, some 140 where missing values make them fail; beyond
it a random sample of rows is asked instead."""

SAMPLE_SIZE = 64
"""Single rows asked when failures are too many to be found one by one."""

MAX_SHOWN = 20
"""Failing rows listed in the report."""

MAX_TEXT = 200
"""Characters of a value shown with a failing row."""


@dataclass(frozen=True, slots=True)
class RowFailures:
    """What the search found.

    Parameters
    ----------
    good : ndarray of int, shape (n_good,)
        Positions of rows known to be answered, ascending.
    failing : dict of int to str
        Position of each failing row found and the message of its exception.
    n_tried, n_failed : int
        What the error rate rests on: all rows, or the random sample.
    notes : list of str
        What a reader must know about the search.
    """

    good: NDArray[np.int64]
    failing: dict[int, str]
    n_tried: int
    n_failed: int
    notes: list[str] = field(default_factory=list)

    @property
    def error_rate(self) -> Estimate:
        """Share of rows on which the model raises, with its interval."""
        return share_estimate(self.n_failed, self.n_tried)


def find_failing_rows(model: Model, frame: pd.DataFrame, *, seed: int = 0) -> RowFailures:
    """Find the rows of ``frame`` on which ``model`` raises.

    One call when nothing fails, at most ``MAX_CALLS`` + ``SAMPLE_SIZE`` calls otherwise.

    Parameters
    ----------
    model : Model
    frame : DataFrame, shape (n, n_features)
    seed : int
        For the random sample of rows.

    Raises
    ------
    ModelError
        When the model crashes or hangs; an exception raised by the model is what is counted.
    """
    n = len(frame)
    search = _Search(model, frame)
    if n == 0 or search.answers(np.arange(n)):
        return RowFailures(np.arange(n), {}, n, 0)
    if search.bisect():
        return _complete(search, n)
    return _sampled(search, n, seed)


class _Search:
    """Asks for parts of the frame and keeps what was learnt."""

    def __init__(self, model: Model, frame: pd.DataFrame) -> None:
        self.model = model
        self.frame = frame
        self.n_calls = 0
        self.good: list[NDArray[np.int64]] = []
        self.failing: dict[int, str] = {}

    def answers(self, rows: NDArray[np.int64]) -> bool:
        """Ask for ``rows`` at once and note what one asks alone."""
        self.n_calls += 1
        try:
            self.model.predict(self.frame.iloc[rows])
        except ModelRaisedError as error:
            if rows.size == 1:
                self.failing[int(rows[0])] = str(error)
            return False
        self.good.append(rows)
        return True

    def bisect(self) -> bool:
        """Halve failing parts until single rows remain; False when ``MAX_CALLS`` is reached."""
        failing_parts = deque([_alike_together(self.frame)])
        while failing_parts:
            part = failing_parts.popleft()
            if part.size == 1:
                if int(part[0]) not in self.failing:
                    self.answers(part)
                continue
            if self.n_calls + 2 > MAX_CALLS:
                return False
            middle = part.size // 2
            failing_parts.extend(
                half for half in (part[:middle], part[middle:]) if not self.answers(half)
            )
        return True

    def good_rows(self) -> NDArray[np.int64]:
        """Positions of all rows that were answered, ascending."""
        if not self.good:
            return np.empty(0, dtype=np.int64)
        return np.unique(np.concatenate(self.good)).astype(np.int64)


def _alike_together(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Return the positions of all rows, those with the same cells missing side by side.

    A model that fails on missing values then fails on whole parts: k such rows among n cost about
    2 (k + log2(n)) calls instead of 2 k log2(n / k).
    """
    missing = frame.isna().to_numpy()
    return np.lexsort(missing.T).astype(np.int64) if missing.size else np.arange(len(frame))


def _complete(search: _Search, n: int) -> RowFailures:
    """Describe a search that resolved every row."""
    notes = []
    if not search.failing:
        notes.append(
            f"The model raised for all {n:,} rows together, but answered every part of them: "
            "it depends on which rows come in one call."
        )
    return RowFailures(search.good_rows(), search.failing, n, len(search.failing), notes)


def _sampled(search: _Search, n: int, seed: int) -> RowFailures:
    """Ask a random sample of single rows, when too many fail for a full search."""
    rng = np.random.default_rng(seed)
    sample = rng.choice(n, size=min(SAMPLE_SIZE, n), replace=False)
    known_bad = [int(row) in search.failing for row in sample]
    failed = [
        bad or not search.answers(np.array([row]))
        for row, bad in zip(sample, known_bad, strict=True)
    ]
    note = (
        f"Too many rows fail to find them all within {MAX_CALLS} calls: the error rate comes from "
        f"{len(failed)} random rows asked one by one."
    )
    return RowFailures(search.good_rows(), search.failing, len(failed), sum(failed), [note])


def describe_failures(failures: RowFailures, frame: pd.DataFrame) -> list[FailingRow]:
    """Return the first ``MAX_SHOWN`` failing rows with their values.

    Parameters
    ----------
    failures : RowFailures
    frame : DataFrame, shape (n, n_features)
        The frame that was searched.
    """
    return [
        FailingRow(row=row, error=failures.failing[row], values=_cells(frame.iloc[row]))
        for row in sorted(failures.failing)[:MAX_SHOWN]
    ]


def _cells(row: pd.Series) -> dict[str, Cell]:
    """Return one row as JSON can carry it."""
    return {str(name): _cell(value) for name, value in row.items()}


def _cell(value: object) -> Cell:
    """Return a value as JSON can carry it; missing and non-finite numbers become None or text."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and not np.isfinite(plain):
        return None if np.isnan(plain) else str(plain)
    if isinstance(plain, bool | int | float):
        return plain
    return str(plain)[:MAX_TEXT]
