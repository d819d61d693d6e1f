"""Parts of the data where a model is worse, found on one half and confirmed on the other.

Owns: the search over simple conditions of one column, its statistics and its honesty: what was
found by looking at many conditions is tested on rows that took no part in the search, and the
p-values are corrected for the number of conditions tested (Benjamini & Hochberg 1995).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr

from base_types import Estimate
from bootstrap import FloatArray
from intervals import Mean, share_estimate
from paired_tests import welch_degrees
from report_types import Slice

BoolArray = NDArray[np.bool_]

MIN_ROWS = 20
"""Rows a slice must hold, in the whole table."""

MIN_SHARE = 0.05
"""Share of all rows a slice must hold, and at most the complement of it."""

MAX_SLICES = 5
"""Slices reported."""

MAX_TESTED = 10
"""Conditions carried over to the second half: fewer tests, less correction, more power."""

MAX_OVERLAP = 0.5
"""Two conditions that share more of the smaller one's rows are told as one."""

MIN_SCORE = 1.0
"""Standard errors by which a condition must be worse on the first half to be tested at all."""

FALSE_DISCOVERY_RATE = 0.04
"""Expected share of false slices among the confirmed; without any weak slice it is the
probability to report one: 5.6 % of simulated samples at a rate of 5 %, fewer than 5 % at 4 %
(``benchmarks/benchmark_honesty.py``)."""

N_BINS = 10
"""Quantile bins of a numeric column; every run of neighbouring bins is a condition."""

_INNER = np.arange(1, N_BINS) / N_BINS

MAX_CATEGORIES = 50
"""Most frequent categories looked at per column."""

Metric = Literal["accuracy", "mean_absolute_error"]


@dataclass(frozen=True, slots=True)
class _Condition:
    """A condition on one column; ``rows`` has shape (n,) over the whole table."""

    feature: str
    description: str
    rows: BoolArray


@dataclass(frozen=True, slots=True)
class _Losses:
    """Losses of rows and what each row counts for, both of shape (n,).

    Parameters
    ----------
    values, worth : ndarray of float
        Worth 1 everywhere where rows count alike.
    metric : {"accuracy", "mean_absolute_error"}
        How the loss reads.
    """

    values: FloatArray
    worth: FloatArray
    metric: Metric

    @property
    def counts_alike(self) -> bool:
        """Whether every row counts as much as any other."""
        return bool(np.ptp(self.worth) == 0)

    def mean(self, rows: BoolArray) -> Mean:
        """Return the mean loss of some rows."""
        return Mean.of(self.values[rows], self.worth[rows])

    def estimate(self, rows: BoolArray) -> Estimate:
        """Return what is reported of some rows: the share without error, or the mean loss."""
        mean = self.mean(rows)
        if self.metric == "accuracy":
            return share_estimate((1 - mean.value) * mean.n, mean.n)
        return mean.estimate()

    def p_value(self, inside: BoolArray, outside: BoolArray) -> float:
        """Return the one-sided p-value that the loss is larger inside than outside."""
        if self.metric == "accuracy" and self.counts_alike:
            return _fisher_p_value(self.values, inside, outside)
        return _welch_p_value(self.mean(inside), self.mean(outside))


@dataclass(frozen=True, slots=True)
class _Half:
    """The rows that propose conditions, and what is added up over each condition's rows.

    Parameters
    ----------
    rows : ndarray of bool, shape (n,)
        Over the whole table.
    worth, squared_worth, excess : ndarray of float, shape (n_half,)
        What each row counts for, its square, and its loss above the mean times its worth.
    variance : float
        Of the losses.
    """

    rows: BoolArray
    worth: FloatArray
    squared_worth: FloatArray
    excess: FloatArray
    variance: float

    @classmethod
    def of(cls, losses: _Losses, rows: BoolArray) -> _Half:
        """Return what is added up over some rows."""
        loss, worth = losses.values[rows], losses.worth[rows]
        apart = loss - np.average(loss, weights=worth)
        variance = float(np.average(apart**2, weights=worth))
        return cls(rows, worth, worth**2, worth * apart, variance)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as consecutive codes, and how runs of codes read.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Bin or category of each row; -1 is missing.
    edges : ndarray, shape (k + 1,), or None
        Bin edges of a numeric column.
    names : list of str
        Categories otherwise.
    """

    feature: str
    codes: NDArray[np.int64]
    edges: FloatArray | None
    names: Sequence[str]

    @property
    def n_codes(self) -> int:
        """Number of bins or categories."""
        return len(self.names) if self.edges is None else self.edges.size - 1

    def runs(self) -> NDArray[np.int64]:
        """Return (first, last) of each condition: runs of bins, single categories, missing."""
        return _runs(self.n_codes, longest=1 if self.edges is None else self.n_codes)

    def condition(self, first: int, last: int) -> _Condition:
        """Return the condition that selects the codes first..last."""
        rows = (self.codes >= first) & (self.codes <= last)
        return _Condition(self.feature, self._describe(first, last), rows)

    def _describe(self, first: int, last: int) -> str:
        """Say the condition, e.g. ``age > 60.5``."""
        if first == -1:
            return f"{self.feature} is missing"
        if self.edges is None:
            return f"{self.feature} = {self.names[first]}"
        low, high = f"{self.edges[first]:.6g}", f"{self.edges[last + 1]:.6g}"
        if first == 0:
            return f"{self.feature} <= {high}"
        if last == self.n_codes - 1:
            return f"{self.feature} > {low}"
        return f"{low} < {self.feature} <= {high}"


def find_slices(
    frame: pd.DataFrame,
    loss: FloatArray,
    *,
    metric: Metric = "accuracy",
    seed: int = 0,
    weights: FloatArray | None = None,
) -> tuple[list[Slice], str]:
    """Find conditions on single columns under which the loss is larger than elsewhere.

    One random half of the rows proposes at most ``MAX_TESTED`` conditions, the other half tests
    them: one-sided Fisher's exact test for 0/1 losses, Welch's t-test for others and for rows with
    weights (of the weighted means, with effective numbers of rows).

    Parameters
    ----------
    frame : DataFrame, shape (n, n_features)
        Inputs of the model.
    loss : ndarray of float, shape (n,)
        0/1 error or absolute error per row, finite.
    metric : {"accuracy", "mean_absolute_error"}
        How the loss reads in the result; accuracy is 1 - mean loss.
    seed : int
        Decides the halves.
    weights : ndarray of float, shape (n,), optional
        What each row counts for, > 0. A slice must still hold enough rows, whatever they weigh.

    Returns
    -------
    tuple
        At most ``MAX_SLICES`` confirmed slices, worst first, with values from the second half
        (those of the first are too bad by selection), and a sentence on what was done.
    """
    n = len(frame)
    smallest = _smallest(n)
    if n < 2 * smallest:
        return [], f"Slices need at least {2 * MIN_ROWS} labelled rows, there are {n}."
    if np.ptp(loss) == 0:
        return [], "Every row has the same error: no part is worse than another."
    first = np.zeros(n, dtype=np.bool_)
    first[np.random.default_rng(seed).permutation(n)[: n // 2]] = True
    columns = [_coded(values, str(name)) for name, values in frame.items()]
    losses = _Losses(loss, np.ones(n) if weights is None else weights, metric)
    with np.errstate(over="ignore", invalid="ignore"):  # errors too large to square: no score
        proposed, n_conditions = _propose(columns, losses, first, smallest)
    found = _confirm(proposed, losses, ~first)
    note = (
        f"{n_conditions:,} conditions of single columns compared on one half of the {n:,} rows; "
        f"the worst {len(proposed)} tested on the other half, {len(found)} confirmed (false "
        f"discovery rate {FALSE_DISCOVERY_RATE:.0%}). Values come from the second half."
    )
    return found[:MAX_SLICES], note


def _smallest(n: int) -> int:
    """Return how many rows a slice of a table of n rows must hold."""
    return max(MIN_ROWS, int(np.ceil(MIN_SHARE * n)))


# --- columns ---------------------------------------------------------------------------------


def _coded(values: pd.Series, feature: str) -> _Column:
    """Code a column by quantile bins or by its frequent categories."""
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return _coded_categories(values, feature)
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    finite = numbers[np.isfinite(numbers)]
    if finite.size == 0:
        return _Column(feature, np.full(numbers.size, -1), None, [])
    # Observed values as edges: "age <= 60" then selects exactly what it says.
    ordered = np.sort(finite)
    inner = ordered[((finite.size - 1) * _INNER).astype(np.intp)]
    edges = np.unique(np.append(inner, ordered[-1]))
    codes = np.searchsorted(edges, numbers, side="left")
    codes = np.where(np.isnan(numbers), -1, np.minimum(codes, edges.size - 1))
    return _Column(feature, codes.astype(np.int64), np.append(ordered[0], edges), [])


def _coded_categories(values: pd.Series, feature: str) -> _Column:
    """Code the ``MAX_CATEGORIES`` most frequent values; the others belong to no condition."""
    codes, uniques = pd.factorize(values.astype(str).where(values.notna()))
    counts = np.bincount(codes[codes >= 0], minlength=len(uniques))
    kept = np.argsort(-counts, kind="stable")[:MAX_CATEGORIES]
    table = np.full(len(uniques) + 1, len(kept), dtype=np.int64)  # beyond the last name
    table[kept] = np.arange(len(kept))
    table[-1] = -1
    return _Column(feature, table[codes], None, [str(uniques[i])[:60] for i in kept])


# --- search ----------------------------------------------------------------------------------


def _propose(
    columns: list[_Column], losses: _Losses, half: BoolArray, smallest: int
) -> tuple[list[_Condition], int]:
    """Return the worst conditions on one half, and how many were compared."""
    proposing = _Half.of(losses, half)
    scored = [
        (score, position, first, last)
        for position, column in enumerate(columns)
        for score, first, last in _scores(column, proposing, smallest)
    ]
    worst = sorted((item for item in scored if item[0] >= MIN_SCORE), reverse=True)
    chosen: list[_Condition] = []
    for _, position, first, last in worst[: 50 * MAX_TESTED]:
        condition = columns[position].condition(first, last)
        if not any(_overlap(condition.rows, other.rows) > MAX_OVERLAP for other in chosen):
            chosen.append(condition)
        if len(chosen) == MAX_TESTED:
            break
    return chosen, len(scored)


def _scores(column: _Column, half: _Half, smallest: int) -> Iterator[tuple[float, int, int]]:
    """Yield (score, first, last): by how many standard errors the mean loss inside is larger."""
    n_all, n_half = column.codes.size, half.worth.size
    shifted = column.codes + 1  # missing first
    codes = shifted[half.rows]
    size = column.n_codes + 2  # and one for values outside all categories
    runs = column.runs() + 1

    def inside(codes: NDArray[np.int64], of_rows: FloatArray | None = None) -> FloatArray:
        """Add something up over the rows of each run."""
        total = np.zeros(size + 1)
        np.cumsum(np.bincount(codes, of_rows, minlength=size), out=total[1:])
        sums: FloatArray = total[runs[:, 1] + 1] - total[runs[:, 0]]
        return sums

    rows, rows_half = inside(shifted), inside(codes)
    fits = (rows >= smallest) & (rows <= n_all - smallest)
    fits &= (rows_half >= smallest // 4) & (rows_half < n_half)
    share = inside(codes, half.worth)[fits] / half.worth.sum()
    spread = np.sqrt(half.variance * inside(codes, half.squared_worth)[fits] * (1 - share))
    excess = inside(codes, half.excess)[fits]
    score = excess / np.maximum(spread, np.finfo(np.float64).tiny)
    for value, (first, last) in zip(score.tolist(), (runs[fits] - 1).tolist(), strict=True):
        yield value, first, last


@functools.cache
def _runs(n_codes: int, *, longest: int) -> NDArray[np.int64]:
    """Return (first, last) of every run of at most ``longest`` codes, and (-1, -1), missing."""
    runs = [
        (first, last)
        for first in range(n_codes)
        for last in range(first, min(first + longest, n_codes))
    ]
    return np.array([*runs, (-1, -1)], dtype=np.int64)


def _overlap(one: BoolArray, other: BoolArray) -> float:
    """Return the share of the smaller set that lies in both."""
    return float(np.sum(one & other) / max(1, min(one.sum(), other.sum())))


# --- confirmation ----------------------------------------------------------------------------


def _confirm(proposed: list[_Condition], losses: _Losses, half: BoolArray) -> list[Slice]:
    """Test conditions on the other half and return the confirmed ones, worst first."""
    testable = [item for item in proposed if 2 <= int(item.rows[half].sum()) <= half.sum() - 2]
    if not testable:
        return []
    from scipy.stats import false_discovery_control

    p_values = np.array([losses.p_value(half & item.rows, half & ~item.rows) for item in testable])
    adjusted = false_discovery_control(p_values, method="bh")
    confirmed = [
        (losses.mean(half & item.rows).value, _slice(item, losses, half, (p, q)))
        for item, p, q in zip(testable, p_values.tolist(), adjusted.tolist(), strict=True)
        if q <= FALSE_DISCOVERY_RATE
    ]
    return [found for _, found in sorted(confirmed, key=lambda pair: -pair[0])]


def _slice(
    item: _Condition, losses: _Losses, half: BoolArray, p_values: tuple[float, float]
) -> Slice:
    """Describe a confirmed condition."""
    rest = losses.mean(half & ~item.rows).value
    n = int(item.rows.sum())
    return Slice(
        description=item.description,
        feature=item.feature,
        n=n,
        share=n / item.rows.size,
        metric=losses.metric,
        value=losses.estimate(half & item.rows),
        rest=1 - rest if losses.metric == "accuracy" else rest,
        p_value=p_values[0],
        p_adjusted=p_values[1],
        confirmed=True,
    )


def _fisher_p_value(loss: FloatArray, inside: BoolArray, outside: BoolArray) -> float:
    """Return Fisher's exact one-sided p-value: at least as many errors inside by chance."""
    from scipy.stats import hypergeom

    hits, others = int(np.sum(loss[inside] > 0)), int(np.sum(loss[outside] > 0))
    n_inside, n_all = int(inside.sum()), int(inside.sum() + outside.sum())
    return float(hypergeom.sf(hits - 1, n_all, hits + others, n_inside))


def _welch_p_value(inside: Mean, outside: Mean) -> float:
    """Return Welch's one-sided p-value that the mean loss inside is larger."""
    variance = inside.variance + outside.variance
    if variance == 0:
        return 1.0
    t = (inside.value - outside.value) / np.sqrt(variance)
    return float(stdtr(welch_degrees(inside, outside), -t))
