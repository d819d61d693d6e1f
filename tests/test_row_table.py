"""Rows typed by hand become a table of the types that the model was tested on."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import RowsError
from row_table import rows_to_frame
from schema_utils import Feature, Kind, Schema

TABLE = pd.DataFrame(
    {
        "size": [1.5, 2.5],
        "rooms": [1, 2],
        "town": ["Ulm", "Bonn"],
        "sold": [True, False],
        "seen": pd.to_datetime(["2024-01-01", "2024-02-01"]),
    }
)
KINDS = (Kind.FLOAT, Kind.INTEGER, Kind.CATEGORICAL, Kind.BOOLEAN, Kind.DATETIME)
SCHEMA = Schema(
    features=[Feature(name=name, kind=kind) for name, kind in zip(TABLE, KINDS, strict=True)]
)
ROW: dict[str, Any] = {
    "size": 3,
    "rooms": 4.0,
    "town": "Köln",
    "sold": False,
    "seen": "2024-05-31T12:00:00",
}


def test_types_are_those_of_the_table() -> None:
    """Every column keeps its dtype, and its value."""
    frame = rows_to_frame([ROW], SCHEMA, TABLE)
    kinds = {name: str(kind).split("[")[0] for name, kind in frame.dtypes.items()}
    assert kinds == {name: str(kind).split("[")[0] for name, kind in TABLE.dtypes.items()}
    assert frame.iloc[0].tolist() == [3.0, 4, "Köln", False, pd.Timestamp("2024-05-31T12:00")]


def test_missing_values_are_missing() -> None:
    """None is missing in every kind of column."""
    frame = rows_to_frame([dict.fromkeys(ROW), ROW], SCHEMA, TABLE)
    assert frame.iloc[0].isna().all()
    assert frame.iloc[1].notna().all()


@pytest.mark.parametrize(
    ("field", "cell", "said"),
    [
        ("size", "big", "expected a number"),
        ("size", True, "expected a number"),
        ("size", float("inf"), "expected a number"),
        ("sold", "perhaps", "expected true or false"),
        ("seen", "yesterday", "expected a time"),
        ("seen", 5, "expected a time"),
    ],
)
def test_wrong_cells_are_named(field: str, cell: Any, said: str) -> None:
    """Row, field, what was found and what was expected."""
    with pytest.raises(RowsError, match=said) as caught:
        rows_to_frame([ROW, ROW | {field: cell}], SCHEMA, TABLE)
    assert [(row, name) for row, name, _ in caught.value.problems] == [(1, field)]


def test_many_problems_are_counted_but_not_all_listed() -> None:
    """At most twenty are listed; the message names three and counts the rest."""
    with pytest.raises(RowsError, match=r"\(122 more\)") as caught:
        rows_to_frame([{}] * 25, SCHEMA, TABLE)
    assert (len(caught.value.problems), caught.value.total) == (20, 125)


@given(
    st.dictionaries(
        st.sampled_from([*ROW, "other"]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    )
)
def test_any_row_becomes_a_table_or_a_clear_refusal(row: dict[str, Any]) -> None:
    """Nothing but RowsError is raised, whatever is typed."""
    try:
        frame = rows_to_frame([row], SCHEMA, TABLE)
    except RowsError:
        return
    assert list(frame) == list(ROW)
