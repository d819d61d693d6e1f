"""Ways in which data drifts, as data: what happens, by how much, to which columns.

Owns: ``SCENARIOS``, what each does to columns, ``apply_to_table``, and ``Setting``, the facts of
the untouched table that scenarios measure by. Every scenario keeps the table's index, so a row can
be followed to where it came from, and never changes its input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drift_profiles import columns_of
from schema_utils import Kind

MAX_COLUMNS = 10
"""Most columns one scenario touches; in wider tables they are taken at even distances."""

OUTLIER_DISTANCE = 8.0
"""How many standard deviations from the mean an outlier lies."""

Table = pd.DataFrame
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """The untouched table that scenarios measure by.

    Parameters
    ----------
    frame : DataFrame
        Its rows.
    kinds : dict of str to Kind
        The input columns, in order.
    groups : ndarray, shape (len(frame),), optional
        Class of each row (true, else predicted), for the prior shift.
    leading : str, optional
        The numeric column this model listens to most, for drift that hits one column.
    """

    frame: Table
    kinds: dict[str, Kind]
    groups: NDArray[Any] | None = None
    leading: str | None = None

    @cached_property
    def columns(self) -> Mapping[str, pd.Series[Any]]:
        """The columns of ``kinds``, taken out once: looking one up costs as much as drifting it."""
        taken = columns_of(self.frame)
        return {name: taken[name] for name in self.kinds}

    @cached_property
    def spread(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of each numeric column that varies by a finite amount."""
        found = {}
        for name, column in self.columns.items():
            if self.kinds[name].is_numeric and pd.api.types.is_numeric_dtype(column.dtype):
                values = finite_values(column)
                with np.errstate(over="ignore"):
                    std = float(values.std()) if len(values) else 0.0
                if 0 < std < np.inf:
                    found[name] = (float(values.mean()), std)
        return found

    @cached_property
    def rarest(self) -> dict[str, Any]:
        """Least frequent category of each categorical column with at least two."""
        found = {}
        for name, kind in self.kinds.items():
            if kind in (Kind.CATEGORICAL, Kind.BOOLEAN):
                counts = self.columns[name].value_counts()
                counts = counts[counts > 0]
                if len(counts) > 1:
                    found[name] = counts.index[-1]
        return found

    @property
    def numeric(self) -> list[str]:
        """Numeric columns that scenarios touch."""
        return evenly(list(self.spread))

    @property
    def categorical(self) -> list[str]:
        """Categorical columns that scenarios touch."""
        return evenly(list(self.rarest))

    @property
    def any_kind(self) -> list[str]:
        """Columns of any kind that scenarios touch."""
        return evenly(list(self.kinds))

    @property
    def one_numeric(self) -> list[str]:
        """The leading numeric column, else the first; empty without any."""
        return [self.leading] if self.leading in self.spread and self.leading else self.numeric[:1]

    def led_by(self, leading: str | None) -> Setting:
        """Return this setting with another leading column, and with what was measured already."""
        other = copy(self)
        object.__setattr__(other, "leading", leading)
        return other

    @cached_property
    def main_direction(self) -> dict[str, float]:
        """First principal direction of the standardised numeric columns, largest part = 1."""
        names = self.numeric
        columns = [finite_or_mean(self.columns[name], *self.spread[name]) for name in names]
        if len(names) < 2:
            return dict.fromkeys(names, 1.0)
        _, vectors = np.linalg.eigh(np.atleast_2d(np.corrcoef(columns)))
        first = vectors[:, -1]
        return dict(zip(names, (first / first[np.abs(first).argmax()]).tolist(), strict=True))


def evenly(names: list[str]) -> list[str]:
    """Return at most ``MAX_COLUMNS`` names at even distances."""
    if len(names) <= MAX_COLUMNS:
        return names
    return [names[i] for i in np.linspace(0, len(names) - 1, MAX_COLUMNS).astype(int)]


def finite_values(column: pd.Series[Any]) -> Values:
    """Return the finite numbers of a numeric column.

    Examples
    --------
    >>> finite_values(pd.Series([1.0, np.nan, np.inf])).tolist()
    [1.0]
    """
    values = floats_of(column)
    return np.asarray(values[np.isfinite(values)])


def finite_or_mean(column: pd.Series[Any], mean: float, std: float) -> Values:
    """Return the column standardised, missing and infinite values as 0."""
    values = floats_of(column)
    return np.where(np.isfinite(values), (values - mean) / std, 0.0)


Columns = Mapping[str, "pd.Series[Any]"] | Table
"""The columns of a table by name, as far as they are needed."""

Drifted = dict[str, "pd.Series[Any]"]
"""What became of the columns that a drift touched."""

Change = Callable[[Columns, float, np.random.Generator, Setting], Drifted]


@dataclass(frozen=True)
class Scenario:
    """One way the data may drift.

    Parameters
    ----------
    id, title, description, unit : str
        For people; ``unit`` says what severity 1 means.
    parameter : str
        Name of the amount that grows with severity.
    amount : callable
        Severity -> amount of the parameter.
    columns : callable
        Setting -> columns that are touched; empty where the scenario does not apply.
    change : callable
        (columns, amount, rng, setting) -> what became of those it touches.
    needs : str
        What a table must have for it, for the reason why it was skipped.
    thins : bool
        Whether rows are left out instead of changed.
    """

    id: str
    title: str
    description: str
    unit: str
    parameter: str
    amount: Callable[[float], float]
    columns: Callable[[Setting], list[str]]
    change: Change
    needs: str
    thins: bool = False


def apply_to_table(
    change: Change, frame: Table, amount: float, rng: np.random.Generator, setting: Setting
) -> Table:
    """Return a drifted copy of a table.

    Parameters
    ----------
    change : callable
        What becomes of the columns.
    frame : DataFrame
        Rows to drift, with the columns of ``setting``.
    amount : float
        How much.
    rng : numpy.random.Generator
        Decides which rows are hit.
    setting : Setting
        The untouched table.

    Returns
    -------
    DataFrame
        With the same columns; each row keeps its index label. Columns that stay as they are are
        shared, pandas never writes through to the other table.
    """
    changed = change(frame, amount, rng, setting)
    if not changed:
        return frame
    rows = next(iter(changed.values())).index
    drifted = frame.copy(deep=False) if len(rows) == len(frame) else frame.loc[rows]
    for name, column in changed.items():
        drifted[name] = column
    return drifted


# --- what happens to the numbers ---------------------------------------------------------------


def _with_numbers(
    columns: Columns, names: list[str], change: Callable[[str, Values], Values]
) -> Drifted:
    """Replace numeric columns; whole numbers stay whole."""
    before = {name: columns[name] for name in names}
    return {
        name: as_dtype_of(column, change(name, floats_of(column)))
        for name, column in before.items()
    }


def floats_of(column: pd.Series[Any]) -> Values:
    """Return the values of a numeric column, missing ones as NaN; not to be changed.

    Examples
    --------
    >>> floats_of(pd.Series([1, None], dtype="Int8")).tolist()
    [1.0, nan]
    """
    if column.dtype == np.float64:
        return column.to_numpy()
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def as_dtype_of(column: pd.Series[Any], values: Values) -> pd.Series[Any]:
    """Return ``values`` as a column of the same dtype, rounded and kept in range for integers.

    Examples
    --------
    >>> as_dtype_of(pd.Series([1, 2], dtype="int8"), np.array([1.6, 300.0])).tolist()
    [2, 126]
    """
    if column.dtype == np.float64:
        return pd.Series(values, index=column.index, name=column.name)
    if pd.api.types.is_integer_dtype(column.dtype):
        width = np.iinfo(getattr(column.dtype, "numpy_dtype", column.dtype))
        # float64 cannot hold the largest int64, hence the margin
        values = np.clip(np.rint(values), float(width.min), float(width.max) * (1 - 2**-50))
    return pd.Series(values, index=column.index, name=column.name).astype(column.dtype)


def shift_mean(
    columns: Columns, amount: float, rng: np.random.Generator, setting: Setting
) -> Drifted:
    """Add ``amount`` standard deviations to every numeric column."""
    del rng
    return _with_numbers(columns, setting.numeric, lambda n, x: x + amount * setting.spread[n][1])


def widen(columns: Columns, amount: float, rng: np.random.Generator, setting: Setting) -> Drifted:
    """Multiply each numeric column's distance from its mean by ``amount``."""
    del rng

    def change(name: str, x: Values) -> Values:
        mean = setting.spread[name][0]
        return mean + (x - mean) * amount

    return _with_numbers(columns, setting.numeric, change)


def add_noise(
    columns: Columns, amount: float, rng: np.random.Generator, setting: Setting
) -> Drifted:
    """Add normal noise of ``amount`` standard deviations to every numeric column."""

    def change(name: str, x: Values) -> Values:
        return x + rng.normal(scale=amount * setting.spread[name][1], size=len(x))

    return _with_numbers(columns, setting.numeric, change)


def change_unit(
    columns: Columns, amount: float, rng: np.random.Generator, setting: Setting
) -> Drifted:
    """Multiply one numeric column by ``amount``, as if it came in another unit."""
    del rng
    return _with_numbers(columns, setting.one_numeric, lambda _, x: x * amount)


def shift_together(
    columns: Columns, amount: float, rng: np.random.Generator, setting: Setting
) -> Drifted:
    """Move the numeric columns along their first principal direction, the first by ``amount``."""
    del rng
    parts = setting.main_direction
    return _with_numbers(
        columns, setting.numeric, lambda n, x: x + amount * parts[n] * setting.spread[n][1]
    )


def add_outliers(
    columns: Columns, amount: float, rng: np.random.Generator, setting: Setting
) -> Drifted:
    """Replace a share ``amount`` of each numeric column by values far out on either side."""

    def change(name: str, x: Values) -> Values:
        mean, std = setting.spread[name]
        side = np.where(rng.random(len(x)) < 0.5, -1.0, 1.0)
        return np.where(rng.random(len(x)) < amount, mean + OUTLIER_DISTANCE * std * side, x)

    return _with_numbers(columns, setting.numeric, change)


# --- what happens to other columns and to rows -------------------------------------------------


def mix_categories(
    columns: Columns, amount: float, rng: np.random.Generator, setting: Setting
) -> Drifted:
    """Move a share ``amount`` of the rows of each categorical column to its rarest category."""
    changed = {}
    for name in setting.categorical:
        column = columns[name]
        hit = rng.random(len(column)) < amount
        changed[name] = column.mask(hit, setting.rarest[name]).astype(column.dtype)
    return changed


def blank_out(
    columns: Columns, amount: float, rng: np.random.Generator, setting: Setting
) -> Drifted:
    """Empty a share ``amount`` of the cells of every column; whole numbers become floats."""
    changed = {}
    for name in setting.any_kind:
        column = columns[name]
        hit = rng.random(len(column)) < amount
        if column.dtype.kind in "biu" or column.dtype == np.float64:  # the usual, by numpy alone
            emptied = np.where(hit, np.nan, column.to_numpy(dtype=np.float64))
            changed[name] = pd.Series(emptied, index=column.index, name=column.name)
        else:
            changed[name] = column.mask(hit)
    return changed


def shift_prior(
    columns: Columns, amount: float, rng: np.random.Generator, setting: Setting
) -> Drifted:
    """Leave out rows of the other classes until the rarest class has ``amount`` times the odds."""
    touched = {name: columns[name] for name in setting.any_kind}
    if setting.groups is None or not touched:
        return touched
    rows = next(iter(touched.values())).index
    of_row = pd.Series(setting.groups, index=setting.frame.index).loc[rows]
    rare = (of_row == rarest_group(setting.groups)).to_numpy()
    kept = (rare | (rng.random(len(rows)) < 1 / amount)).nonzero()[0]
    return {name: column.take(kept) for name, column in touched.items()}


def rarest_group(groups: NDArray[Any]) -> object:
    """Return the least frequent group.

    Examples
    --------
    >>> rarest_group(np.array(["a", "b", "a"]))
    'b'
    """
    return pd.Series(groups).value_counts().index[-1]


def _all_columns_if_grouped(setting: Setting) -> list[str]:
    grouped = setting.groups is not None and pd.Series(setting.groups).nunique() > 1
    return setting.any_kind if grouped else []


def _numeric(setting: Setting) -> list[str]:
    return setting.numeric


def _share(per_unit: float) -> Callable[[float], float]:
    return lambda severity: min(0.95, per_unit * severity)


_NEEDS_NUMBERS = "a numeric column that varies"

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "mean_shift",
        "Mean shift",
        "Every numeric column moves up: a sensor drifts, prices rise.",
        "one standard deviation",
        "standard deviations",
        lambda severity: severity,
        _numeric,
        shift_mean,
        _NEEDS_NUMBERS,
    ),
    Scenario(
        "variance_change",
        "Variance change",
        "Numeric columns keep their mean but spread wider: a new, more varied group of users.",
        "standard deviation + 50 %",
        "factor on the standard deviation",
        lambda severity: 1 + 0.5 * severity,
        _numeric,
        widen,
        _NEEDS_NUMBERS,
    ),
    Scenario(
        "category_mix",
        "Category mix",
        "Rows move to the rarest category of each categorical column: a campaign, a new market.",
        "20 % of the rows",
        "share of rows",
        _share(0.2),
        lambda setting: setting.categorical,
        mix_categories,
        "a categorical column with at least two categories",
    ),
    Scenario(
        "missing_values",
        "Missing values",
        "Cells of every column are empty: a source fails now and then.",
        "10 % of the cells",
        "share of cells",
        _share(0.1),
        lambda setting: setting.any_kind,
        blank_out,
        "an input column",
    ),
    Scenario(
        "noise",
        "Noise",
        "Numeric columns are measured less exactly.",
        "a quarter of a standard deviation",
        "standard deviations of noise",
        lambda severity: 0.25 * severity,
        _numeric,
        add_noise,
        _NEEDS_NUMBERS,
    ),
    Scenario(
        "unit_change",
        "Unit change",
        "The numeric column this model listens to most arrives in another unit.",
        "x 2.54, inches read as centimetres",
        "factor",
        lambda severity: 2.54**severity,
        lambda setting: setting.one_numeric,
        change_unit,
        _NEEDS_NUMBERS,
    ),
    Scenario(
        "correlated_shift",
        "Correlated shift",
        "Numeric columns move together, each the way the others pull it: the population changes.",
        "half a standard deviation along the first principal direction",
        "standard deviations of the column that moves most",
        lambda severity: 0.5 * severity,
        _numeric,
        shift_together,
        _NEEDS_NUMBERS,
    ),
    Scenario(
        "prior_shift",
        "Prior shift",
        "The rarest class becomes more frequent; within each class nothing changes.",
        "three times the odds of the rarest class",
        "factor on the odds",
        lambda severity: 3.0**severity,
        _all_columns_if_grouped,
        shift_prior,
        "at least two classes among labels or predictions",
        thins=True,
    ),
    Scenario(
        "outliers",
        "Outliers",
        f"Some numeric values lie {OUTLIER_DISTANCE:.0f} standard deviations off: glitches, typos.",
        "2 % of the values",
        "share of values",
        _share(0.02),
        _numeric,
        add_outliers,
        _NEEDS_NUMBERS,
    ),
)
