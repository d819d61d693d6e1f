"""A table in a few numbers: what the report keeps of the rows a model was tested on.

Owns: ``summarise_table`` and ``preview_rows``. Aggregates only, so that a report of a million rows
is as small as one of a hundred.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from base_types import Cell, Histogram
from histograms import ordered_histogram
from ordered_numbers import count_distinct, median
from report_types import ColumnSummary
from schema_utils import Schema

PREVIEW_ROWS = 20
"""Rows of the preview kept in the report; more would store a user's data twice."""
MAX_COLUMNS = 500
HISTOGRAM_BINS = 20
TOP_CATEGORIES = 12
MANY_YEARS, MANY_MONTHS = 1_100, 62
"""Days from which on dates are counted by year, by month."""


def summarise_table(frame: pd.DataFrame, schema: Schema) -> list[ColumnSummary]:
    """Summarise each column of ``frame`` (n rows), in order.

    Numbers get moments and a histogram of 20 equal bins; other columns their most frequent values.
    Missing values are counted, never binned. Of more than 500 columns the first 499 and the last
    one, where a target stands, are summarised.
    """
    kinds = {feature.name: feature.kind.value for feature in schema.features}
    names = list(frame.columns)
    if len(names) > MAX_COLUMNS:
        names = [*names[: MAX_COLUMNS - 1], names[-1]]
    return [_summarise(frame[name], kinds.get(name, "text")) for name in names]


def preview_rows(frame: pd.DataFrame, n_rows: int = PREVIEW_ROWS) -> list[dict[str, Cell]]:
    """Return the first rows as JSON cells; missing and non-finite values become None.

    Examples
    --------
    >>> preview_rows(pd.DataFrame({"a": [1.0, None]}))
    [{'a': 1.0}, {'a': None}]
    """
    head = frame.head(n_rows)
    return [
        {str(name): as_cell(value) for name, value in zip(head.columns, row, strict=True)}
        for row in head.itertuples(index=False, name=None)
    ]


def as_cell(value: Any) -> Cell:  # noqa: ANN401 - any value a table can hold
    """Return one value as JSON can carry it, None for missing or non-finite.

    Examples
    --------
    >>> as_cell(np.float64(1.5)), as_cell(float("nan")), as_cell(pd.Timestamp("2026-11-21"))
    (1.5, None, '2026-11-21')
    """
    if isinstance(value, float | np.floating):  # the most frequent kind
        return float(value) if math.isfinite(value) else None
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, pd.Timestamp):
        return value.isoformat().removesuffix("T00:00:00")
    return str(value)[:200]


def _summarise(column: pd.Series[Any], kind: str) -> ColumnSummary:
    if column.dtype.kind in "iuf":
        return _summarised_numbers(column, kind)
    present = column.dropna()
    summary = ColumnSummary(
        name=str(column.name),
        kind=kind,
        n_missing=int(len(column) - len(present)),
        n_unique=int(present.nunique()),
    )
    if pd.api.types.is_datetime64_any_dtype(present.dtype):
        return _with_dates(summary, present)
    summary.histogram = _frequent_values(present)
    summary.histogram.n_missing = summary.n_missing
    return summary


def _frequent_values(present: pd.Series[Any]) -> Histogram:
    """Count values, most frequent first; unlike predictions, a column may have thousands."""
    counts = present.astype(str).value_counts()
    top, rest = counts.iloc[:TOP_CATEGORIES], counts.iloc[TOP_CATEGORIES:]
    labels, values = [str(label)[:60] for label in top.index], [int(count) for count in top]
    if len(rest):
        labels.append(f"{len(rest)} others")
        values.append(int(rest.sum()))
    return Histogram(labels=labels, counts=values)


def _with_dates(summary: ColumnSummary, present: pd.Series[Any]) -> ColumnSummary:
    """Add the first and the last date, and how many there are per year, month or day."""
    if not len(present):
        return summary
    first, last = present.min(), present.max()
    days = (last - first).days
    form = "%Y" if days > MANY_YEARS else "%Y-%m" if days > MANY_MONTHS else "%Y-%m-%d"
    counts = present.dt.strftime(form).value_counts().sort_index()
    summary.first, summary.last = str(as_cell(first)), str(as_cell(last))
    labels, values = [str(label) for label in counts.index], [int(count) for count in counts]
    summary.histogram = Histogram(labels=labels, counts=values, n_missing=summary.n_missing)
    return summary


def _summarised_numbers(column: pd.Series[Any], kind: str) -> ColumnSummary:
    """Summarise a column of numbers; moments and bins are those of the finite ones."""
    numbers = column.to_numpy()
    present = numbers[~np.isnan(numbers)]
    n_missing = int(numbers.size - present.size)
    ordered = np.sort(present)
    summary = ColumnSummary(
        name=str(column.name), kind=kind, n_missing=n_missing, n_unique=count_distinct(ordered)
    )
    values = present.astype(np.float64)
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return summary
    with np.errstate(over="ignore", invalid="ignore"):  # huge values: no moment, not infinity
        mean, std = float(finite.mean()), float(finite.std())
    summary.mean = mean if math.isfinite(mean) else None
    summary.std = std if math.isfinite(std) else None
    ordered = ordered[np.isfinite(ordered)].astype(np.float64)
    summary.minimum, summary.maximum = float(ordered[0]), float(ordered[-1])
    summary.median = median(ordered)
    summary.histogram = ordered_histogram(ordered, max_bins=HISTOGRAM_BINS)
    summary.histogram.n_missing = int(numbers.size - finite.size)
    return summary
