"""Claims about tables as CSV."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import csv_text
from csv_text import csv_of


@given(
    st.lists(st.tuples(st.floats(), st.floats(0, 1), st.integers(-(2**63), 2**63 - 1))),
    st.lists(st.text(min_size=1, max_size=9), min_size=3, max_size=3, unique=True),
)
def test_numbers_are_written_as_pandas_writes_them(
    rows: list[tuple[float, float, int]], names: list[str]
) -> None:
    """Of any numbers, missing and infinite ones too, the text is pandas', byte by byte."""
    kinds = dict(zip(names, ("f8", "f8", "i8"), strict=True))
    frame = pd.DataFrame(rows, columns=names).astype(kinds)
    assert csv_of(frame) == frame.to_csv(index=False).encode()


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1.5, None]}),
        pd.DataFrame({"a": ["x, y", None, 'say "no"'], "b": [1, 2, 3]}),
        pd.DataFrame({"a": pd.to_datetime(["2024-03-01", "2024-03-02"]), "b": [True, False]}),
        pd.DataFrame({"a": np.array([1.5, 2.1], dtype=np.float32), "b": [1, 2]}),
    ],
)
def test_other_tables_are_left_to_pandas(frame: pd.DataFrame) -> None:
    """One column, texts, dates, truths and short floats are written as pandas writes them."""
    assert csv_of(frame) == frame.to_csv(index=False).encode()


def test_a_table_written_in_parts_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows come in order and once, however few of them are written at a time."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(101, 7)).round(3))
    monkeypatch.setattr(csv_text, "CELLS_AT_ONCE", 70)
    assert csv_of(frame) == frame.to_csv(index=False).encode()
