"""Importance, its order and ties, and the form of an explanation in the report."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from explanation import MAX_COLUMNS, MAX_OUTPUTS, Explanation, importance
from report_types import ExplanationSection

ROWS = pd.DataFrame(
    {
        "age": [20.0, 30.0, np.nan, 50.0],
        "city": pd.Series(["bern", None, "oslo", "rome"], dtype="str"),
        "rooms": [1, 2, 3, 4],
    },
    index=[5, 6, 8, 9],
)
VALUES = np.array([[1.0, 0.5, 0], [2.0, -0.5, 0], [-3.0, 0.5, 0], [4.0, 0.5, 0]])[:, :, None]


def explanation(**changes: Any) -> Explanation:
    """Return four rows of three columns, exact unless changed."""
    base = np.array([10.0])
    whole = Explanation(
        values=VALUES,
        base=base,
        predictions=base + VALUES.sum(axis=1),
        error=None,
        columns=("age", "city", "rooms"),
        outputs=("price",),
        rows=ROWS,
        row_numbers=np.array([0, 1, 3, 4]),
        space="prediction",
        method="tree",
        background_rows=100,
    )
    return replace(whole, **changes)


def test_importance_is_the_mean_absolute_value() -> None:
    """Columns come in order of mean |value|, with their share of the total."""
    found = importance(explanation())
    assert [row.feature for row in found] == ["age", "city", "rooms"]
    assert [row.importance for row in found] == [2.5, 0.5, 0.0]
    assert [row.share for row in found] == pytest.approx([5 / 6, 1 / 6, 0])
    assert [row.rank for row in found] == [1, 2, 3]
    assert [row.clear for row in found] == [True, True, False]


def test_direction_is_spearman_of_known_cells() -> None:
    """Numeric columns have a direction; words and columns without influence have none."""
    found = importance(explanation())
    known = ROWS["age"].notna()
    expected = stats.spearmanr(ROWS["age"][known], VALUES[known.to_numpy(), 0, 0]).statistic
    assert found[0].direction == pytest.approx(expected)
    assert [row.direction for row in found[1:]] == [None, None]


def test_error_decides_ties_and_clearness() -> None:
    """Importances within two standard errors of their difference are tied."""
    error = np.full_like(VALUES, 0.4)
    found = importance(explanation(error=error))
    assert found[0].error == pytest.approx(np.sqrt(4 * 0.4**2) / 4)
    assert [row.tied_with_next for row in found] == [False, True, False]
    assert [row.clear for row in found] == [True, True, False]


def test_exact_ties_are_ties() -> None:
    """Equal exact importances are marked."""
    found = importance(explanation(values=np.ones_like(VALUES)))
    assert [row.tied_with_next for row in found] == [True, True, False]


def test_section_holds_cells_as_json_does() -> None:
    """Missing cells become null, numbers stay numbers, and JSON gives the section back."""
    section = explanation().to_section()
    assert section.rows[1] == {"age": 30.0, "city": None, "rooms": 2}
    assert section.rows[2]["age"] is None
    assert section.row_numbers == [0, 1, 3, 4]
    assert ExplanationSection.model_validate_json(section.model_dump_json()) == section
    assert json.loads(section.model_dump_json())["outputs"][0]["values"][0] == [1.0, 0.5, 0.0]


def test_section_of_dates_and_categories() -> None:
    """Dates are written as text, categories as themselves."""
    rows = pd.DataFrame(
        {
            "day": pd.to_datetime(["2026-01-02", "NaT", "2026-01-03", "2026-01-04"]),
            "kind": pd.Categorical([1, 2, 2, None]),
            "flag": [True, False, True, True],
        }
    )
    section = explanation(rows=rows, columns=("day", "kind", "flag")).to_section()
    assert section.rows[0] == {"day": "2026-01-02", "kind": 1, "flag": True}
    assert section.rows[1]["day"] is None
    assert section.rows[3]["kind"] is None


def test_wide_explanations_are_cut_with_a_note() -> None:
    """Values are kept for the most important columns and outputs; importances for all columns."""
    n_columns, n_outputs = MAX_COLUMNS + 7, MAX_OUTPUTS + 3
    values = np.random.default_rng(0).normal(size=(4, n_columns, n_outputs))
    values[:, 3], values[:, :, 0] = 0.0, 0.0
    names = tuple(f"c{at}" for at in range(n_columns))
    section = explanation(
        values=values,
        base=np.zeros(n_outputs),
        predictions=values.sum(axis=1),
        columns=names,
        outputs=tuple(f"o{at}" for at in range(n_outputs)),
        rows=pd.DataFrame(np.zeros((4, n_columns)), columns=list(names)),
    ).to_section()
    assert len(section.columns) == len(section.outputs[0].values[0]) == MAX_COLUMNS
    assert "c3" not in section.columns
    assert len(section.outputs[0].importance) == n_columns
    assert "o0" not in [output.output for output in section.outputs]
    assert len(section.notes) == 2


def test_additivity_gap_is_relative_to_the_output() -> None:
    """A tenth missing of outputs of up to 20 is a gap of 0.005."""
    whole = explanation()
    off = replace(whole, predictions=whole.predictions + 0.1)
    assert whole.additivity_gap == 0
    assert off.additivity_gap == pytest.approx(0.1 / np.abs(off.predictions).max())


def test_one_output_can_be_taken_by_name() -> None:
    """An unknown name is refused with the known ones."""
    assert explanation().output("price").outputs == ("price",)
    assert explanation().to_frame().loc[8, "age"] == -3.0
    with pytest.raises(KeyError, match="there are price"):
        explanation().output("cost")
