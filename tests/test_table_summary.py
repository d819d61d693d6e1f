"""What a report keeps of a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from schema_utils import Feature, Kind, Schema
from table_summary import as_cell, preview_rows, summarise_table

SCHEMA = Schema(features=[Feature(name="x"), Feature(name="c", kind=Kind.CATEGORICAL)])


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=50))
def test_every_value_is_counted_once(values: list[float]) -> None:
    """Binned, missing and infinite values add up to the number of rows."""
    (summary,) = summarise_table(pd.DataFrame({"x": values}), SCHEMA)
    if summary.histogram.counts:
        assert sum(summary.histogram.counts) + summary.histogram.n_missing == len(values)
    assert summary.n_missing == sum(np.isnan(values))


def test_moments_are_numpys() -> None:
    """Mean, deviation, extremes and median are those of the finite values."""
    values = np.array([1.0, 2.0, 4.0, np.nan])
    (summary,) = summarise_table(pd.DataFrame({"x": values}), SCHEMA)
    finite = values[:3]
    assert (summary.mean, summary.std) == (finite.mean(), finite.std())
    assert (summary.minimum, summary.median, summary.maximum) == (1.0, 2.0, 4.0)
    assert summary.n_missing == 1


def test_rare_categories_are_gathered() -> None:
    """Beyond the most frequent categories the rest is one entry, and nothing is lost."""
    frame = pd.DataFrame({"c": [f"level {i % 30}" for i in range(300)]})
    (summary,) = summarise_table(frame, SCHEMA)
    assert summary.histogram.labels[-1] == "18 others"
    assert sum(summary.histogram.counts) == 300


def test_cells_are_json() -> None:
    """Numbers stay numbers, text is cut, and what JSON cannot say is None."""
    cells = [np.int64(3), np.float32(0.5), np.bool_(True), np.inf, np.nan, pd.NaT, "a" * 999]
    assert [as_cell(cell) for cell in cells] == [3, 0.5, True, None, None, None, "a" * 200]


def test_the_preview_is_short() -> None:
    """Twenty rows at most, by column name."""
    rows = preview_rows(pd.DataFrame({"x": range(100)}))
    assert rows == [{"x": value} for value in range(20)]
