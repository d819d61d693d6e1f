"""Mixed rows keep every cell as it was; the column map finds which column moves what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import explain_columns
from explain_columns import HybridPool, column_map, varying_columns

EVERY_TYPE = pd.DataFrame(
    {
        "number": [1.5, np.nan, 3.0],
        "whole": np.array([1, 2, 3], dtype="int8"),
        "flag": [True, False, True],
        "word": pd.Series(["x", None, "z"], dtype="str"),
        "object": pd.Series([None, "b", 3], dtype="object"),
        "category": pd.Categorical(["u", "v", None], ordered=True),
        "nullable": pd.array([1, None, 3], dtype="Int64"),
        "day": pd.to_datetime(["2026-01-01", "NaT", "2026-01-03"]),
    }
)


@pytest.mark.parametrize("column", EVERY_TYPE.columns)
def test_cells_and_types_survive(column: str) -> None:
    """Taking the same row for all columns gives back the row, of the same types."""
    pool = HybridPool(EVERY_TYPE)
    order = np.array([2, 0, 1, 1])
    taken = pool.take([order] * EVERY_TYPE.shape[1], 4)
    expected = EVERY_TYPE[column].iloc[order].reset_index(drop=True)
    pd.testing.assert_series_equal(taken[column], expected)


def test_none_in_an_object_column_stays_none() -> None:
    """A missing object is not turned into NaN, which an imputer may not know."""
    pool = HybridPool(EVERY_TYPE)
    assert pool.take(np.zeros((8, 1), dtype=int), 1)["object"].iloc[0] is None


def test_mix_takes_cells_by_mask() -> None:
    """True shows the first row, False the other one."""
    pool = HybridPool(pd.DataFrame({"a": [1, 2], "b": [3, 4]}, index=[7, 7]))
    mixed = pool.mix(np.array([[True, False]]), np.array([0]), np.array([1]))
    assert mixed.to_dict("list") == {"a": [1], "b": [4]}


def test_varying_columns_count_missing_as_a_value() -> None:
    """A constant column with one gap varies, a constant one does not."""
    frame = pd.DataFrame({"constant": [1, 1], "gap": [1.0, np.nan], "word": ["a", "b"]})
    assert varying_columns(frame).tolist() == [1, 2]


def people(n_rows: int = 40) -> pd.DataFrame:
    """Return numbers with gaps, a constant and words, one of them rare."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(size=n_rows), "fixed": 1.0})
    frame["city"] = pd.Series(["bern", "oslo"] * (n_rows // 2), dtype="str")
    frame.loc[n_rows // 2, "city"] = "rare"
    frame["size"] = rng.normal(size=n_rows)
    frame.loc[3, "size"] = np.nan
    return frame


def mapped(step: Any, frame: pd.DataFrame) -> list[int] | None:
    """Return the column map of one transformer."""
    step.fit(frame)

    def transform(table: pd.DataFrame) -> Any:
        return np.asarray(step.transform(table), dtype=float)

    groups = column_map(HybridPool(frame), transform, transform(frame))
    return None if groups is None else groups.tolist()


def test_encoded_columns_map_to_their_source() -> None:
    """One-hot columns (the rare one too) and missing flags belong to their raw column."""
    step = ColumnTransformer(
        [
            ("words", OneHotEncoder(sparse_output=False), ["city"]),
            ("numbers", SimpleImputer(add_indicator=True), ["size", "age"]),
            ("rest", StandardScaler(), ["fixed"]),
        ]
    )
    assert mapped(step, people()) == [2, 2, 2, 3, 0, 3, -1]


def test_rare_cells_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A word seen once is found, though only a few rows of a long table are swapped."""
    monkeypatch.setattr(explain_columns, "MAP_ROWS", 30)
    frame = people(400)[["age", "city", "size"]].fillna(0.0)
    step = ColumnTransformer(
        [("words", OneHotEncoder(sparse_output=False), ["city"]), ("rest", "passthrough", ["age"])]
    )
    assert mapped(step, frame) == [1, 1, 1, 0]


@pytest.mark.parametrize(
    "step",
    [
        PCA(2),
        FunctionTransformer(lambda frame: frame[["age"]].to_numpy() * frame[["size"]].to_numpy()),
    ],
)
def test_mixing_transformers_have_no_map(step: Any) -> None:
    """Components and products belong to no single column."""
    assert mapped(step, people()[["age", "size"]].fillna(0.0)) is None


def test_columns_that_only_go_together_are_refused() -> None:
    """A product that is zero in every row, but not in mixed ones, belongs to no column."""
    frame = pd.DataFrame({"a": [0.0, 1.0] * 10, "b": [1.0, 0.0] * 10})
    product = FunctionTransformer(lambda table: table[["a"]].to_numpy() * table[["b"]].to_numpy())
    assert mapped(product, frame) is None


def test_a_column_that_no_swap_moves_is_refused() -> None:
    """A transformer that depends on the row's place has no map."""

    def transform(table: pd.DataFrame) -> Any:
        return np.arange(len(table), dtype=float)[:, None] % 40

    frame = people()
    assert column_map(HybridPool(frame), transform, transform(frame)) is None


@settings(max_examples=30)
@given(st.sampled_from(["float64", "int8", "bool", "str"]), st.integers(0, 2**32 - 1))
def test_mixed_cells_are_those_chosen_one_by_one(kind: str, seed: int) -> None:
    """Tables of one kind of number and others give the cells that a choice per cell gives."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.integers(0, 2, (5, 3)) * 1.5, columns=["a", "a", "b"]).astype(
        pd.api.types.pandas_dtype(kind)
    )
    mask = rng.random((7, 3)) < 0.5
    rows, others = rng.integers(5, size=(2, 7))
    mixed = HybridPool(frame).mix(mask, rows, others)
    expected = np.where(mask, frame.to_numpy()[rows], frame.to_numpy()[others])
    assert mixed.to_numpy().tolist() == expected.tolist()
    assert mixed.dtypes.tolist() == frame.dtypes.tolist()
    assert mixed.columns.tolist() == ["a", "a", "b"]
