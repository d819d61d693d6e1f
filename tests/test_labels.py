"""Labels match classes by value, whatever their types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labels import match_labels, name_labels


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["0", "1"], [0, 1]),
        ([0, 1], ["0", "1"]),
        ([0.0, 1.0], [0, 1]),
        (["0.0", "1.0"], [0, 1]),
        ([False, True], [0, 1]),
        ([0, 1], [False, True]),
        (["False", "True"], [False, True]),
        (["false", "TRUE"], [0, 1]),
        ([" no", "yes "], ["no", "yes"]),
        ([1.0, 2.0], ["1", "2"]),
        (np.array([0, 1], dtype=np.int8), [0.0, 1.0]),
        (pd.Categorical(["a", "b"]), ["a", "b"]),
        (pd.array([0, 1], dtype="Int64"), [0, 1]),
    ],
)
def test_equal_values_of_other_types_match(values: Any, classes: list[Any]) -> None:
    """Both labels are found in the order of the classes."""
    assert match_labels(pd.Series(values), classes).codes.tolist() == [0, 1]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_missing_labels_are_minus_one(missing: Any) -> None:
    """Every kind of missing value is missing, not a label."""
    matched = match_labels(pd.Series(["a", missing], dtype=object), ["a"])
    assert matched.codes.tolist() == [0, -1]
    assert matched.unknown == []


@pytest.mark.parametrize(
    ("value", "classes"),
    [("1.0", ["1", "01"]), ("B", ["b"]), ("1_0", [10]), ("nan", [0, 1]), ("inf", [0, 1])],
)
def test_what_is_not_surely_equal_does_not_match(value: str, classes: list[Any]) -> None:
    """Two candidates, another case of a letter or a number only Python would read stay unknown."""
    assert match_labels(pd.Series([value]), classes).unknown == [value]


def test_exact_text_wins_over_number() -> None:
    """Classes "1" and "01" stay apart, although both are the number 1."""
    assert match_labels(pd.Series(["01", "1", 1]), ["1", "01"]).codes.tolist() == [1, 0, 0]


def test_all_unknown_labels_share_one_entry() -> None:
    """One unknown label keeps its name, several are counted together."""
    assert match_labels(pd.Series(["a", "x"]), ["a", "b"]).labels == ["a", "b", "x"]
    several = match_labels(pd.Series(["a", "x", "y"]), ["a", "b"])
    assert several.labels == ["a", "b", "(2 unknown labels)"]
    assert several.codes.tolist() == [0, 2, 2]


LABELS = st.one_of(
    st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.none(), st.just(pd.NA)
)


@given(values=st.lists(LABELS, max_size=20), classes=st.lists(st.text(max_size=3), max_size=4))
def test_weird_labels_never_break(values: list[Any], classes: list[str]) -> None:
    """Any mixture of labels gives codes within the labels, and missing ones -1."""
    matched = match_labels(pd.Series(values, dtype=object), classes)
    assert matched.codes.shape == (len(values),)
    assert np.all((matched.codes >= -1) & (matched.codes < max(len(matched.labels), 1)))
    assert [code == -1 for code in matched.codes] == [bool(pd.isna(value)) for value in values]


@given(classes=st.lists(st.one_of(st.text(max_size=5), st.integers()), min_size=1, unique_by=str))
def test_classes_match_themselves(classes: list[Any]) -> None:
    """Every class is found in its own place."""
    matched = match_labels(pd.Series(classes, dtype=object), classes)
    assert matched.codes.tolist() == list(range(len(classes)))


def test_long_lists_of_labels_are_cut() -> None:
    """Five labels are named, the others counted."""
    assert name_labels([str(i) for i in range(7)]) == "'0', '1', '2', '3', '4' and 2 more"


def test_case_and_blanks_do_not_hide_a_class() -> None:
    """'yes ' is 'Yes' where no class is spelt nearer; where two are, it is neither."""
    assert match_labels(pd.Series(["yes ", "NO", "Yes"]), ["No", "Yes"]).codes.tolist() == [1, 0, 1]
    assert match_labels(pd.Series(["YES"]), ["yes", "Yes"]).unknown == ["YES"]
